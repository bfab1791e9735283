// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The documents `vmig.conform/1` and `vmig.conform-catalogue/1`.

use serde::Serialize;

use crate::{
    bench::Options,
    catalogue::{
        Protocol,
        Statement, //
    },
    child::{
        AttachForm,
        Look, //
    },
    report::{
        Outcome,
        Report,
        Summary, //
    },
    system::{
        driver,
        kernel, //
    },
};

/// The results of a run: `vmig.conform/1`.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    schema: &'static str,
    device: Device,
    kernel: String,
    destructive: bool,
    kernel_log: bool,
    results: Vec<Entry<'a>>,
    summary: Summary,
}

#[derive(Debug, Serialize)]
struct Device {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    attach: AttachForm,
    #[serde(skip_serializing_if = "Option::is_none")]
    migration_flags: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    statement: StatementForm,
    #[serde(flatten)]
    outcome: &'a Outcome,
    ms: u64,
}

/// A statement of the catalogue.
#[derive(Debug, Serialize)]
struct StatementForm {
    id: String,
    protocol: &'static str,
    class: &'static str,
    destructive: bool,
    vfio_user: bool,
    text: &'static str,
    reference: &'static str,
}

impl From<&Statement> for StatementForm {
    fn from(statement: &Statement) -> Self {
        Self {
            id: statement.id.to_string(),
            protocol: match statement.id.protocol {
                Protocol::V2 => "v2",
                Protocol::V1 => "v1",
            },
            class: statement.class.as_str(),
            destructive: statement.destructive,
            vfio_user: statement.kernel_only().is_none(),
            text: statement.text,
            reference: statement.reference,
        }
    }
}

impl<'a> Document<'a> {
    /// The document of a run. `kernel_log`: whether complaints of the kernel were seen.
    pub fn new(options: &Options, look: &Look, kernel_log: bool, reports: &'a [Report]) -> Self {
        let results = reports.iter().map(|report| Entry {
            statement: report.statement.into(),
            outcome: &report.outcome,
            ms: report.ms,
        });
        Self {
            schema: "vmig.conform/1",
            device: Device {
                name: look.name.clone(),
                driver: match options.socket {
                    None => driver(&options.directory),
                    Some(_) => None,
                },
                attach: look.attach,
                migration_flags: look.migration_flags,
            },
            kernel: kernel(),
            destructive: options.destructive,
            kernel_log,
            results: results.collect(),
            summary: Summary::of(reports),
        }
    }
}

/// Statements without results: `vmig.conform-catalogue/1`.
#[derive(Debug, Serialize)]
pub struct CatalogueDocument {
    schema: &'static str,
    statements: Vec<StatementForm>,
}

impl CatalogueDocument {
    /// The document of these statements.
    pub fn new(statements: &[&'static Statement]) -> Self {
        Self {
            schema: "vmig.conform-catalogue/1",
            statements: statements
                .iter()
                .map(|&statement| statement.into())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{
        json,
        Value, //
    };

    use super::*;
    use crate::catalogue::{
        statement,
        statements,
        Id, //
    };

    fn report(id: Id, outcome: Outcome) -> Report {
        Report {
            statement: statement(id).unwrap(),
            outcome,
            ms: 5,
        }
    }

    /// One result of each kind.
    fn document() -> Value {
        let broken = || ("a".to_owned(), "b".to_owned());
        let ((expected, seen), (wished, found)) = (broken(), broken());
        let reports = [
            report(Id::c(36), Outcome::NotOk { expected, seen }),
            report(
                Id::c(1),
                Outcome::Ok {
                    notes: vec!["n".into()],
                },
            ),
            report(Id::c(2), Outcome::Ok { notes: Vec::new() }),
            report(
                Id::c(56),
                Outcome::NotHeld {
                    expected: wished,
                    seen: found,
                },
            ),
            report(Id::c(6), Outcome::Skip { reason: "r".into() }),
        ];
        let look = Look {
            name: "n".into(),
            attach: AttachForm::Group,
            migration_flags: Some(7),
        };
        let options = Options {
            directory: "/nonexistent".into(),
            ..Options::default()
        };
        serde_json::to_value(Document::new(&options, &look, false, &reports)).unwrap()
    }

    fn schema(text: &str) -> jsonschema::Validator {
        let schema = serde_json::from_str(text).unwrap();
        jsonschema::draft202012::new(&schema).unwrap()
    }

    #[test]
    fn a_result_has_the_members_of_its_kind() {
        let value = document();
        assert_eq!(value["schema"], "vmig.conform/1");
        assert_eq!(
            value["device"],
            json!({"name": "n", "attach": "group", "migration_flags": 7})
        );
        let result = &value["results"][0];
        assert_eq!(result["id"], "C36");
        assert_eq!(result["class"], "must");
        assert_eq!(result["result"], "not_ok");
        assert_eq!(
            (&result["expected"], &result["seen"]),
            (&json!("a"), &json!("b"))
        );
        assert_eq!(
            value["summary"],
            json!({"ok": 2, "not_ok": 1, "not_held": 1, "skip": 1})
        );
    }

    #[test]
    fn the_document_follows_its_schema_and_nothing_else_does() {
        let schema = schema(include_str!("../../../schemas/vmig.conform-1.json"));
        let good = document();
        schema.validate(&good).unwrap();
        let wrong = |change: &dyn Fn(&mut Value)| {
            let mut bad = good.clone();
            change(&mut bad);
            assert!(!schema.is_valid(&bad), "{bad:#}");
        };
        for index in 0..5 {
            let members: Vec<_> = good["results"][index].as_object().unwrap().keys().collect();
            for member in members.into_iter().filter(|member| *member != "notes") {
                wrong(&|bad| {
                    let result = bad["results"][index].as_object_mut().unwrap();
                    result.remove(member);
                });
            }
            wrong(&|bad| bad["results"][index]["more"] = json!(1));
        }
        for member in good.as_object().unwrap().keys() {
            wrong(&|bad| {
                bad.as_object_mut().unwrap().remove(member);
            });
        }
        // Only a promise can be broken, and only what is none can be "not held".
        wrong(&|bad| bad["results"][3]["class"] = json!("must"));
        wrong(&|bad| bad["device"]["attach"] = json!("auto"));
    }

    #[test]
    fn the_catalogue_follows_its_schema() {
        let schema = schema(include_str!(
            "../../../schemas/vmig.conform-catalogue-1.json"
        ));
        let all: Vec<_> = statements().collect();
        let value = serde_json::to_value(CatalogueDocument::new(&all)).unwrap();
        schema.validate(&value).unwrap();
        assert_eq!(value["statements"].as_array().unwrap().len(), all.len());
    }
}
