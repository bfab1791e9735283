// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What must hold of the tables, as constant functions: a wrong table does not compile.

use super::{
    DeviceType,
    Profile,
    MAX_PARAMS,
    MAX_TYPES, //
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
};

/// The types of a generation, checked.
pub(super) const fn checked<const N: usize>(types: [DeviceType; N]) -> [DeviceType; N] {
    assert!(N <= MAX_TYPES);
    let mut left: &[DeviceType] = &types;
    while let [ty, rest @ ..] = left {
        device_type(ty);
        left = rest;
    }
    types
}

const fn device_type(ty: &DeviceType) {
    assert!(ty.params.len() <= MAX_PARAMS);
    let mut params = ty.params;
    while let [param, rest @ ..] = params {
        assert!(is_own_name(param.name.as_bytes()));
        if let [next, ..] = rest {
            assert!(
                less(param.name.as_bytes(), next.name.as_bytes()),
                "byte order of names"
            );
        }
        values(param);
        params = rest;
    }
    let mut constraints = ty.constraints;
    while let [constraint, rest @ ..] = constraints {
        clauses(ty.params, constraint.when);
        clauses(ty.params, constraint.then);
        constraints = rest;
    }
    assert!(
        satisfies(ty, None),
        "initial values against the constraints"
    );
    let mut profiles = ty.profiles;
    while let [profile, rest @ ..] = profiles {
        profile_of(ty, profile);
        assert!(
            satisfies(ty, Some(profile)),
            "a profile against the constraints"
        );
        profiles = rest;
    }
}

const fn is_own_name(name: &[u8]) -> bool {
    let ([b'a'..=b'z' | b'0'..=b'9', rest @ ..], true) = (name, name.len() <= 255) else {
        return false;
    };
    let mut rest = rest;
    while let [b'a'..=b'z' | b'0'..=b'9' | b'-', tail @ ..] = rest {
        rest = tail;
    }
    rest.is_empty()
}

const fn values(param: &Param) {
    let mut items = param.allowed;
    assert!(!items.is_empty());
    while let [item, rest @ ..] = items {
        let typed = match (*item, param.init) {
            (Item::One(Value::Bool(_)), Value::Bool(_))
            | (Item::One(Value::Int(_)), Value::Int(_))
            | (Item::One(Value::Str(_)), Value::Str(_)) => true,
            (Item::Range(min, max), Value::Int(_)) => min <= max,
            _ => false,
        };
        assert!(typed, "an item of the wrong type, or a reversed range");
        items = rest;
    }
    assert!(covers(param.allowed, param.init), "init_value is allowed");
    if let Some(off) = param.off {
        assert!(covers(param.allowed, off), "off_value is allowed");
    }
}

const fn clauses(params: &[Param], list: &[Clause]) {
    let mut list = list;
    assert!(!list.is_empty());
    while let [clause, rest @ ..] = list {
        assert!(
            find(params, clause.param).is_some(),
            "constraint on an unknown parameter"
        );
        assert!(!clause.values.is_empty());
        list = rest;
    }
}

const fn profile_of(ty: &DeviceType, profile: &Profile) {
    let mut params = profile.params;
    while let [(name, value), rest @ ..] = params {
        let allowed = match find(ty.params, name) {
            Some(param) => covers(param.allowed, *value),
            None => false,
        };
        assert!(allowed, "a profile's value is allowed");
        if let [(next, _), ..] = rest {
            assert!(
                less(name.as_bytes(), next.as_bytes()),
                "byte order of names"
            );
        }
        params = rest;
    }
}

/// Whether a profile, or without one the initial values, satisfies the constraints.
const fn satisfies(ty: &DeviceType, profile: Option<&Profile>) -> bool {
    let mut constraints = ty.constraints;
    while let [Constraint { when, then, .. }, rest @ ..] = constraints {
        if all_hold(ty.params, profile, when) && !all_hold(ty.params, profile, then) {
            return false;
        }
        constraints = rest;
    }
    true
}

const fn all_hold(params: &[Param], profile: Option<&Profile>, list: &[Clause]) -> bool {
    let mut list = list;
    while let [clause, rest @ ..] = list {
        match value_of(params, profile, clause.param) {
            Some(value) if covers(clause.values, value) => (),
            _ => return false,
        }
        list = rest;
    }
    true
}

const fn value_of(
    params: &[Param],
    profile: Option<&Profile>,
    name: &str,
) -> Option<Value<'static>> {
    let Some(param) = find(params, name) else {
        return None;
    };
    let Some(profile) = profile else {
        return Some(param.init);
    };
    let mut listed = profile.params;
    while let [(own, value), rest @ ..] = listed {
        if same(own.as_bytes(), name.as_bytes()) {
            return Some(*value);
        }
        listed = rest;
    }
    param.off
}

const fn find<'t>(params: &'t [Param], name: &str) -> Option<&'t Param> {
    let mut params = params;
    while let [param, rest @ ..] = params {
        if same(param.name.as_bytes(), name.as_bytes()) {
            return Some(param);
        }
        params = rest;
    }
    None
}

const fn covers(items: &[Item<'_>], value: Value<'_>) -> bool {
    let mut items = items;
    while let [item, rest @ ..] = items {
        let found = match (*item, value) {
            (Item::One(Value::Bool(a)), Value::Bool(b)) => a == b,
            (Item::One(Value::Int(a)), Value::Int(b)) => a == b,
            (Item::One(Value::Str(a)), Value::Str(b)) => same(a.as_bytes(), b.as_bytes()),
            (Item::Range(min, max), Value::Int(n)) => min <= n && n <= max,
            _ => false,
        };
        if found {
            return true;
        }
        items = rest;
    }
    false
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    !less(a, b) && !less(b, a)
}

const fn less(a: &[u8], b: &[u8]) -> bool {
    let (mut a, mut b) = (a, b);
    while let ([x, tail_a @ ..], [y, tail_b @ ..]) = (a, b) {
        if *x != *y {
            return *x < *y;
        }
        a = tail_a;
        b = tail_b;
    }
    a.is_empty() && !b.is_empty()
}
