// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Reading migration information out of JSON.

use std::{
    collections::{
        BTreeMap,
        HashSet, //
    },
    sync::Arc,
};

use super::{
    Constraint,
    Document,
    Model,
    Param,
    Profile,
    CONSTRAINTS_MAX,
    ITEMS_MAX,
    PARAMS_MAX,
    PROFILE_VALUES_MAX,
    VERSION,
    WARNINGS_MAX, //
};
use crate::{
    accept::Acceptor,
    error::Error,
    json::Kind,
    read::At,
    recent::Recent,
    set::{
        Ints,
        Set, //
    },
    value::{
        Type,
        Value, //
    },
};

/// Reads the document `at`.
pub(super) fn read(at: &At<'_, '_>, recent: &mut Recent) -> Result<Document, Error> {
    let models = at.get("models")?;
    let mut reader = Reader {
        params: 0,
        profiles: 0,
        profile_values: 0,
        warnings: Vec::new(),
        recent,
    };
    let mut read = BTreeMap::new();
    for (name, at) in models.members()? {
        at.model(name)?;
        read.insert(name.to_owned(), reader.model(&at)?);
    }
    Ok(Document {
        models: read,
        warnings: reader.warnings,
    })
}

/// What is counted and collected while a document is read.
struct Reader<'r> {
    params: usize,
    profiles: usize,
    profile_values: usize,
    warnings: Vec<Error>,
    recent: &'r mut Recent,
}

impl Reader<'_> {
    fn model(&mut self, at: &At<'_, '_>) -> Result<Model, Error> {
        let params = match (at.find("params")?, at.find("versions")?) {
            (Some(params), None) => self.params(&params)?,
            (None, Some(versions)) => {
                let version = self.versions(&versions)?;
                BTreeMap::from([(VERSION.to_owned(), Arc::new(version))])
            }
            (Some(_), Some(_)) => return Err(at.malformed("both `params` and `versions`")),
            (None, None) => return Err(at.malformed("neither `params` nor `versions`")),
        };
        let mut model = Model {
            params,
            ..Model::default()
        };
        if let Some(constraints) = at.find("constraints")? {
            model.constraints = read_constraints(&constraints, &model.params)?;
        }
        if let Some(profiles) = at.find("profiles")? {
            model.profiles = self.profiles(&profiles, &model)?;
        }
        Ok(model)
    }

    fn warn(&mut self, at: &At<'_, '_>, message: String) {
        match self.warnings.len() {
            0..WARNINGS_MAX => self.warnings.push(at.malformed(message)),
            WARNINGS_MAX => self
                .warnings
                .push(at.malformed("there is more that is odd")),
            _ => {}
        }
    }

    fn count(&mut self, at: &At<'_, '_>, params: usize) -> Result<(), Error> {
        self.params = self.params.saturating_add(params);
        if self.params > PARAMS_MAX {
            return Err(at.malformed(format!("more than {PARAMS_MAX} parameters in a document")));
        }
        Ok(())
    }

    fn params(&mut self, at: &At<'_, '_>) -> Result<BTreeMap<String, Arc<Param>>, Error> {
        let members = at.members_with_text()?;
        // So that there are not too many models either.
        self.count(at, members.len().max(1))?;
        let mut params = Vec::with_capacity(members.len());
        for (name, at, text) in members {
            let param = match text.and_then(|text| self.recent.get(name, text)) {
                Some(param) => param,
                None => {
                    at.name(name)?;
                    let warnings = self.warnings.len();
                    let param = Arc::new(self.param(&at)?);
                    if let Some(text) = text.filter(|_| self.warnings.len() == warnings) {
                        self.recent.learn(name, text, &param);
                    }
                    param
                }
            };
            params.push((name.to_owned(), param));
        }
        Ok(params.into_iter().collect())
    }

    fn param(&mut self, at: &At<'_, '_>) -> Result<Param, Error> {
        let [word, init, off, allowed, runtime, description] = at.pick([
            "type",
            "init_value",
            "off_value",
            "allowed_values",
            "runtime",
            "description",
        ])?;
        let word = at.found("type", word)?;
        let kind = [Type::Bool, Type::Int, Type::Str]
            .into_iter()
            .find(|kind| word.str() == Ok(kind.as_str()))
            .ok_or_else(|| word.malformed("not `bool`, `int` or `str`"))?;
        let init_at = at.found("init_value", init)?;
        let init = init_at.value_of(kind)?;
        let off = match off {
            Some(off) => Some(off.value_of(kind)?),
            None => None,
        };
        let accepted = match allowed {
            Some(allowed) => read_set(&allowed, kind)?,
            None if kind == Type::Bool => match &off {
                Some(_) => Set::Bools([false, true].into()),
                None => Set::of(kind, [init.clone()]),
            },
            None => Set::Any,
        };
        if !accepted.contains(&init) {
            let message = format!("{init} is not among the allowed values ({accepted})");
            self.warn(&init_at, message);
        }
        Ok(Param {
            kind,
            init: Some(init),
            off,
            accepted,
            runtime: match runtime {
                Some(runtime) => runtime.bool()?,
                None => false,
            },
            description: read_description(description)?,
        })
    }

    /// RFC v4's versions, as the one parameter that they amount to.
    fn versions(&mut self, at: &At<'_, '_>) -> Result<Param, Error> {
        self.count(at, 1)?;
        Ok(Param {
            kind: Type::Str,
            init: None,
            off: None,
            accepted: read_set(at, Type::Str)?,
            runtime: false,
            description: None,
        })
    }

    fn profiles(&mut self, at: &At<'_, '_>, model: &Model) -> Result<Vec<Profile>, Error> {
        let items = at.items()?;
        self.profiles = self.profiles.saturating_add(items.len());
        if self.profiles > ITEMS_MAX {
            return Err(at.malformed(format!("more than {ITEMS_MAX} profiles in a document")));
        }
        let acceptor = Acceptor::new(model);
        let mut profiles = Vec::new();
        let mut names = HashSet::new();
        for at in items {
            let name = at.get("name")?;
            let text = name.str()?;
            if !(1..=255).contains(&text.len()) || text.contains(char::is_control) {
                return Err(name.malformed("not 1 to 255 bytes without control characters"));
            }
            if !names.insert(text) {
                return Err(name.malformed("two profiles with this name"));
            }
            let params = at.get("params")?;
            self.profile_values = self.profile_values.saturating_add(params.members()?.len());
            if self.profile_values > PROFILE_VALUES_MAX {
                let limit = format!("more than {PROFILE_VALUES_MAX} values in profiles");
                return Err(params.malformed(limit));
            }
            let params = params.params()?;
            if !acceptor.accepts(&params) {
                let message = format!("profile {text} is ignored: its own document refuses it");
                self.warn(&at, message);
                continue;
            }
            profiles.push(Profile {
                name: text.to_owned(),
                params,
            });
        }
        Ok(profiles)
    }
}

fn read_description(at: Option<At<'_, '_>>) -> Result<Option<String>, Error> {
    match at {
        Some(text) => Ok(Some(text.str()?.to_owned())),
        None => Ok(None),
    }
}

fn read_constraints(
    at: &At<'_, '_>,
    params: &BTreeMap<String, Arc<Param>>,
) -> Result<Vec<Constraint>, Error> {
    let items = at.items()?;
    if items.len() > CONSTRAINTS_MAX {
        return Err(at.malformed(format!("more than {CONSTRAINTS_MAX} constraints")));
    }
    let mut constraints = Vec::with_capacity(items.len());
    for at in items {
        constraints.push(Constraint {
            when: read_clauses(&at.get("if")?, params)?,
            then: read_clauses(&at.get("then")?, params)?,
            description: read_description(at.find("description")?)?,
        });
    }
    Ok(constraints)
}

fn read_clauses(
    at: &At<'_, '_>,
    params: &BTreeMap<String, Arc<Param>>,
) -> Result<BTreeMap<String, Set>, Error> {
    let mut clauses = BTreeMap::new();
    for (name, at) in at.members()? {
        let Some(param) = params.get(name) else {
            return Err(at.malformed("the model has no such parameter"));
        };
        clauses.insert(name.to_owned(), read_set(&at, param.kind)?);
    }
    Ok(clauses)
}

/// A value list with the syntax of `allowed_values`.
fn read_set(at: &At<'_, '_>, kind: Type) -> Result<Set, Error> {
    let items = at.items()?;
    if items.len() == 0 {
        return Err(at.malformed("empty: nothing would be accepted"));
    }
    if items.len() > ITEMS_MAX {
        return Err(at.malformed(format!("more than {ITEMS_MAX} items")));
    }
    if kind == Type::Int {
        let intervals: Result<Vec<_>, Error> = items.map(|at| read_interval(&at)).collect();
        return Ok(Set::Ints(Ints::new(intervals?)));
    }
    if kind == Type::Str {
        let strs: Result<Vec<&str>, Error> = items.map(|at| at.str_value()).collect();
        return Ok(Set::Strs(strs?.into_iter().collect()));
    }
    let values: Result<Vec<Value>, Error> = items.map(|at| at.value_of(kind)).collect();
    Ok(Set::of(kind, values?))
}

/// An int, or a range `"min-max"`.
fn read_interval(at: &At<'_, '_>) -> Result<(u64, u64), Error> {
    let Kind::Str(text) = at.node.kind() else {
        let n = at.int()?;
        return Ok((n, n));
    };
    let end = |text| match Value::parse(Type::Int, text) {
        Ok(Value::Int(n)) => Some(n),
        _ => None,
    };
    let range = text
        .split_once('-')
        .and_then(|(min, max)| Some((end(min)?, end(max)?)));
    match range {
        Some((min, max)) if min <= max => Ok((min, max)),
        Some(_) => Err(at.malformed(format!("range {text} is reversed"))),
        None => Err(at.malformed(format!("{text:?} is not an int, nor a range `min-max`"))),
    }
}
