// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig compare`: two sources by what they accept, or two lists by age.

use vmig::{
    compare::{
        self,
        Relation, //
    },
    fleet::Fleet,
};

use crate::{
    cli::{
        Compare,
        FromList, //
    },
    context::{
        read_once,
        Context,
        Records, //
    },
    exit::Exit,
    failure::{
        Failure,
        Message, //
    },
    text::escape,
};

pub(super) fn run(args: &Compare, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let inputs = [Some(&args.a), Some(&args.b), args.within.as_ref()];
    read_once(inputs.into_iter().flatten().map(String::as_str))?;
    let answer = match &args.within {
        Some(within) => lists(args, within, context)?,
        None => sources(args, context)?,
    };
    if context.json() {
        context.document(&answer)?;
    } else {
        context.lines(lines(&answer))?;
    }
    Ok(match answer.result.is_no() {
        true => Exit::No,
        false => Exit::Done,
    })
}

fn lists(
    args: &Compare,
    within: &str,
    context: &mut Context<'_>,
) -> Result<compare::Compare, Failure> {
    let mut list = |list: &str| {
        context.list(&FromList {
            list: list.to_owned(),
            model: args.model.clone(),
        })
    };
    let (a, b) = (list(&args.a)?, list(&args.b)?);
    let (records, narrow) = context.fleet(&[within.to_owned()], &args.narrow)?;
    let fleet = Fleet::new(&records, &narrow)?;
    Ok(compare::Compare::lists(
        (&args.a, &a),
        (&args.b, &b),
        (within, &fleet),
    )?)
}

fn sources(args: &Compare, context: &mut Context<'_>) -> Result<compare::Compare, Failure> {
    let mut read = |text: &str| -> Result<(Records, _), Failure> {
        context.fleet(&[text.to_owned()], &args.narrow)
    };
    let ((a, narrow), (b, _)) = (read(&args.a)?, read(&args.b)?);
    let (a, b) = (Fleet::new(&a, &narrow)?, Fleet::new(&b, &narrow)?);
    let theirs = b.models();
    let mut common = a.models();
    common.retain(|model| theirs.contains(model));
    if let Some(wanted) = &args.model {
        common.retain(|model| model == wanted);
    }
    let model = match common.as_slice() {
        [] => None,
        [model] => Some(*model),
        models => {
            let line = format!("both offer {}: choose with --model", models.join(", "));
            return Err(Failure::Usage(Message::new(line)));
        }
    };
    Ok(compare::Compare::sources(
        (&args.a, &a),
        (&args.b, &b),
        model,
        args.each,
    )?)
}

fn lines(answer: &compare::Compare) -> Vec<String> {
    let (a, b) = (&answer.a, &answer.b);
    let relation = match answer.result {
        Relation::Identical => format!("{a} and {b} accept the same lists"),
        Relation::Subset => format!("{b} accepts all that {a} accepts, and more"),
        Relation::Superset => format!("{a} accepts all that {b} accepts, and more"),
        Relation::Overlapping => format!("some lists are accepted by both {a} and {b}"),
        Relation::Disjoint => format!("no list is accepted by both {a} and {b}"),
        Relation::Same => format!("{a} and {b} are the same list"),
        Relation::Older => format!("{a} is older than {b}"),
        Relation::Newer => format!("{a} is newer than {b}"),
        Relation::Unordered => format!("neither of {a} and {b} is older"),
    };
    let word = serde_json::to_value(answer.result).unwrap_or_default();
    let mut lines = vec![format!("{}: {relation}", word.as_str().unwrap_or_default())];
    match &answer.model {
        None => lines.push("    they are of different models".to_owned()),
        Some(_) if answer.responsible.is_empty() => {}
        Some(_) => lines.push(format!("    because of {}", answer.responsible.join(", "))),
    }
    if !answer.certain {
        lines.push(
            "    not certain: what is accepted is not declared for every parameter".to_owned(),
        );
    }
    lines.iter().map(|line| escape(line).into_owned()).collect()
}
