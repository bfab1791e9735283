// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! vfio-user programs, which take their migration parameters as options: `--m-NAME=VALUE` or
//! `--m-NAME VALUE`, as the RFC has it.
//!
//! vmig's own programs also take a whole list, `--migration-params FILE`.

use std::{
    collections::BTreeMap,
    fs,
    path::Path, //
};

use crate::{
    document::{
        Document,
        Model, //
    },
    error::{
        Code,
        Error, //
    },
    list::List,
    value::{
        Params,
        Value, //
    },
};

/// What every option for a parameter begins with.
const PREFIX: &str = "--m-";

/// The option of vmig's programs for a whole list.
const LIST: &str = "--migration-params";

/// The options that give a program these values.
///
/// ```
/// use vmig::{program::options, value::{Params, Value}};
///
/// let params = Params::from([("num-queues".to_owned(), Value::Int(4))]);
/// assert_eq!(options(&params), ["--m-num-queues=4"]);
/// ```
pub fn options(params: &Params) -> Vec<String> {
    let option = |(name, value): (&String, &Value)| format!("{PREFIX}{name}={value}");
    params.iter().map(option).collect()
}

/// What a command line says of the parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Given {
    /// Values by name.
    options: BTreeMap<String, String>,
    /// The file with a list.
    file: Option<String>,
}

/// The migration parameter list of a program that was started, or is to be, with `arguments` (its
/// name not among them) and describes itself by `document`. Files are found from `directory` on;
/// `source` names the program in errors.
///
/// # Errors
///
/// [`Code::Contradiction`] if the document is not of one model, or options name parameters that it
/// lacks; [`Code::Malformed`] for options and lists that make no sense; [`Code::Unreadable`] for a
/// list that cannot be read any more.
pub fn list(
    arguments: &[String],
    document: &Document,
    directory: &Path,
    source: &str,
) -> Result<List, Error> {
    let contradiction = |message: String| Error::new(Code::Contradiction, source, message);
    let mut models = document.models.iter();
    let (Some((name, model)), None) = (models.next(), models.next()) else {
        let message = "it is not clear which device model the program is".to_owned();
        return Err(contradiction(message));
    };
    let given = parse(arguments, source)?;
    let from_file = given
        .file
        .map(|file| read(&file, directory, name, source))
        .transpose()?;
    let unknown = |name: &&String| !model.params.contains_key(*name);
    let mut named = given
        .options
        .keys()
        .chain(from_file.iter().flat_map(|list| list.params.keys()));
    if let Some(name) = named.find(unknown) {
        let message = format!("there is no parameter {name}");
        return Err(contradiction(message));
    }
    let values = values(model, &given.options, from_file.as_ref(), source)?;
    Ok(List::of_device(name, model, &values))
}

fn values(
    model: &Model,
    options: &BTreeMap<String, String>,
    from_file: Option<&List>,
    source: &str,
) -> Result<Params, Error> {
    let mut values = Params::new();
    for (name, param) in &model.params {
        let malformed = || {
            let message = format!("{name}: no value of type {}", param.kind);
            Error::malformed(source, message)
        };
        let listed = from_file.map(|list| list.params.get(name));
        let value = match (options.get(name), listed) {
            (Some(text), _) => Value::parse(param.kind, text).map_err(|_| malformed())?,
            (None, Some(Some(given))) => given.typed(param.kind).ok_or_else(malformed)?,
            // What a list leaves out is off.
            (None, Some(None)) => param.off.clone().ok_or_else(|| {
                let message = format!("{name} is not in the list and cannot be off");
                Error::new(Code::Contradiction, source, message)
            })?,
            (None, None) => match &param.init {
                Some(init) => init.clone(),
                None => continue,
            },
        };
        values.insert(name.clone(), value);
    }
    Ok(values)
}

/// Finds the options for parameters among `arguments`.
fn parse(arguments: &[String], source: &str) -> Result<Given, Error> {
    let mut given = Given::default();
    let mut words = arguments.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        let (option, joined) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let name = option.strip_prefix(PREFIX);
        if name.is_none() && option != LIST {
            continue;
        }
        let value = joined.or_else(|| words.next().cloned());
        let value = value.ok_or_else(|| Error::malformed(source, format!("{option}: no value")))?;
        let twice = match name {
            Some(name) => given.options.insert(name.to_owned(), value).is_some(),
            None => given.file.replace(value).is_some(),
        };
        if twice {
            return Err(Error::malformed(source, format!("{option}: given twice")));
        }
    }
    Ok(given)
}

fn read(file: &str, directory: &Path, model: &str, source: &str) -> Result<List, Error> {
    if file == "-" {
        let message = "its list came from standard input, and is not known any more";
        return Err(Error::new(Code::Unreadable, source, message));
    }
    let path = directory.join(file);
    let shown = path.display().to_string();
    let text = fs::read(&path);
    let text = text.map_err(|error| Error::unreadable(&*shown, "cannot read", &error))?;
    List::parse(&text, &shown, Some(model))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        let text = br#"{"models": {"a/b": {"params": {
            "n": {"type": "int", "init_value": 4, "off_value": 1, "runtime": true},
            "s": {"type": "str", "init_value": "x"},
            "t": {"type": "bool", "init_value": true, "off_value": false}
        }}}}"#;
        Document::parse(text, "d").unwrap()
    }

    fn of(words: &[&str]) -> Result<String, Error> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let list = list(&words, &document(), Path::new("/no/such"), "program")?;
        Ok(list.to_string())
    }

    #[test]
    fn options_make_a_list() {
        for (words, expected) in [
            (&[][..], "model: a/b\nn=4\ns=x\nt=on\n"),
            (&["--m-n=1", "--m-t", "off"], "model: a/b\ns=x\n"),
            (
                &["--fd", "5", "--m-s", "--m-n=3", "--m-n=2"],
                "model: a/b\nn=2\ns=--m-n=3\nt=on\n",
            ),
            (&["--m-s=a=b"], "model: a/b\nn=4\ns=a=b\nt=on\n"),
            (&["--m-s="], "model: a/b\nn=4\ns=\nt=on\n"),
            (&["--", "--m-n=1"], "model: a/b\nn=4\ns=x\nt=on\n"),
        ] {
            assert_eq!(of(words).unwrap(), expected, "{words:?}");
        }
    }

    #[test]
    fn options_that_make_none() {
        for (words, code) in [
            (&["--m-x=1"][..], Code::Contradiction),
            (&["--m-n"], Code::Malformed),
            (&["--m-n="], Code::Malformed),
            (&["--m-n=on"], Code::Malformed),
            (&["--m-n=1", "--m-n=1"], Code::Malformed),
            (&["--migration-params"], Code::Malformed),
            (&["--migration-params=-"], Code::Unreadable),
            (&["--migration-params=x"], Code::Unreadable),
        ] {
            assert_eq!(of(words).unwrap_err().code, code, "{words:?}");
        }
    }

    #[test]
    fn a_list_leaves_out_what_is_off() {
        let directory = tempfile::tempdir().unwrap();
        let words = ["--migration-params".to_owned(), "l".to_owned()];
        let of = |text: &str| {
            fs::write(directory.path().join("l"), text).unwrap();
            list(&words, &document(), directory.path(), "program")
        };
        let found = of("model: a/b\ns=y\n").unwrap();
        assert_eq!(found.to_string(), "model: a/b\ns=y\n");
        let off = found.off.unwrap();
        assert_eq!(off.keys().collect::<Vec<_>>(), ["n", "t"]);
        assert!(found.runtime.unwrap().contains("n"));
        for (text, code) in [
            ("model: a/b\nn=2\n", Code::Contradiction),
            ("model: a/c\ns=x\n", Code::Contradiction),
            ("model: a/b\ns=x\nx=1\n", Code::Contradiction),
            ("model: a/b\ns=x\nn=on\n", Code::Malformed),
        ] {
            assert_eq!(of(text).unwrap_err().code, code, "{text}");
        }
    }
}
