// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `migration_info.json`: the migration information of a type, in the form of the RFC "VFIO
//! Migration" v3, with vmig's optional members `runtime`, `constraints` and `profiles`.
//!
//! Members stand in the order of the RFC, parameters in the byte order of their names, so that the
//! same type always gives the same bytes.

use core::fmt::{
    self,
    Write, //
};

use crate::{
    constraint::{
        Clause,
        Constraint, //
    },
    params::{
        Item,
        Param,
        Value, //
    },
    types::{
        DeviceType,
        Profile, //
    },
};

/// Writes the document for type `ty`, newline at the end included.
pub fn write_info(ty: &DeviceType, out: &mut dyn Write) -> fmt::Result {
    write!(
        out,
        "{{\n  \"models\": {{\n    {}: {{\n      \"params\": {{",
        Text(ty.model)
    )?;
    each(out, ty.params, param)?;
    out.write_str("\n      }")?;
    if !ty.constraints.is_empty() {
        out.write_str(",\n      \"constraints\": [")?;
        each(out, ty.constraints, constraint)?;
        out.write_str("\n      ]")?;
    }
    if !ty.profiles.is_empty() {
        out.write_str(",\n      \"profiles\": [")?;
        each(out, ty.profiles, profile)?;
        out.write_str("\n      ]")?;
    }
    out.write_str("\n    }\n  }\n}\n")
}

/// Writes `list` one item per line, at the depth of a model's members.
fn each<T>(
    out: &mut dyn Write,
    list: &[T],
    write: fn(&mut dyn Write, &T) -> fmt::Result,
) -> fmt::Result {
    for (n, item) in list.iter().enumerate() {
        out.write_str(comma(n))?;
        out.write_str("\n        ")?;
        write(out, item)?;
    }
    Ok(())
}

fn param(out: &mut dyn Write, param: &Param) -> fmt::Result {
    write!(
        out,
        "{}: {{\n          \"type\": {}",
        Text(param.name),
        Text(param.kind.as_str())
    )?;
    write!(out, ",\n          \"init_value\": {}", Json(param.init))?;
    if let Some(off) = param.off {
        write!(out, ",\n          \"off_value\": {}", Json(off))?;
    }
    write!(
        out,
        ",\n          \"allowed_values\": {}",
        Set(param.allowed)
    )?;
    if param.runtime {
        out.write_str(",\n          \"runtime\": true")?;
    }
    write!(
        out,
        ",\n          \"description\": {}\n        }}",
        Text(param.description)
    )
}

fn constraint(out: &mut dyn Write, constraint: &Constraint) -> fmt::Result {
    write!(out, "{{\n          \"if\": {}", Clauses(constraint.when))?;
    write!(out, ",\n          \"then\": {}", Clauses(constraint.then))?;
    write!(
        out,
        ",\n          \"description\": {}\n        }}",
        Text(constraint.description)
    )
}

fn profile(out: &mut dyn Write, profile: &Profile) -> fmt::Result {
    write!(out, "{{\"name\": {}, \"params\": {{", Text(profile.name))?;
    for (n, (name, value)) in profile.params.iter().enumerate() {
        write!(out, "{}{}: {}", comma_space(n), Text(name), Json(*value))?;
    }
    out.write_str("}}")
}

const fn comma(n: usize) -> &'static str {
    if n == 0 {
        ""
    } else {
        ","
    }
}

const fn comma_space(n: usize) -> &'static str {
    if n == 0 {
        ""
    } else {
        ", "
    }
}

/// A value as JSON.
struct Json<'a>(Value<'a>);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Bool(value) => fmt::Display::fmt(&value, f),
            Value::Int(value) => fmt::Display::fmt(&value, f),
            Value::Str(text) => fmt::Display::fmt(&Text(text), f),
        }
    }
}

/// A value set as JSON: ranges are strings, `"1-8"`.
struct Set<'a>(&'a [Item<'a>]);

impl fmt::Display for Set<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (n, item) in self.0.iter().enumerate() {
            f.write_str(comma_space(n))?;
            match item {
                Item::One(value) => fmt::Display::fmt(&Json(*value), f)?,
                Item::Range(..) => write!(f, "\"{item}\"")?,
            }
        }
        f.write_str("]")
    }
}

/// Clauses as a JSON object of value sets.
struct Clauses<'a>(&'a [Clause]);

impl fmt::Display for Clauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (n, clause) in self.0.iter().enumerate() {
            write!(
                f,
                "{}{}: {}",
                comma_space(n),
                Text(clause.param),
                Set(clause.values)
            )?;
        }
        f.write_str("}")
    }
}

/// A JSON string.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(c))?,
                _ => f.write_char(c)?,
            }
        }
        f.write_str("\"")
    }
}
