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
                driver: driver(&options.directory),
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
    use serde_json::json;

    use super::*;
    use crate::catalogue::{
        statement,
        Id, //
    };

    #[test]
    fn a_result_has_the_members_of_its_kind() {
        let not_ok = Outcome::NotOk {
            expected: "a".into(),
            seen: "b".into(),
        };
        let reports = [Report {
            statement: statement(Id::c(36)).unwrap(),
            outcome: not_ok,
            ms: 5,
        }];
        let look = Look {
            name: "n".into(),
            attach: AttachForm::Group,
            migration_flags: None,
        };
        let options = Options {
            directory: "/nonexistent".into(),
            ..Options::default()
        };
        let document = Document::new(&options, &look, false, &reports);
        let value = serde_json::to_value(&document).unwrap();
        assert_eq!(value["schema"], "vmig.conform/1");
        assert_eq!(value["device"], json!({"name": "n", "attach": "group"}));
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
            json!({"ok": 0, "not_ok": 1, "not_held": 0, "skip": 0})
        );
    }
}
