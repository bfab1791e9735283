// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A device's configuration is written: a list with which it could never start is refused at once.
//!
//! The type may be another one by the time the device starts, if the module or the host is; so all
//! that counts is judged again then.

use vmig::{
    check::check,
    reason::ReasonCode,
    sysfs::TypeDir, //
};

use super::{
    say,
    shown,
    Call, //
};
use crate::{context::Context, exit::Exit, failure::Failure, place};

/// Before a new configuration is written, which is whole.
pub(super) fn define(
    call: &Call,
    dir: &TypeDir,
    context: &mut Context<'_>,
) -> Result<Exit, Failure> {
    let what = call.cannot("define");
    if let Some(list) = call.list(&what, dir, context)? {
        let info = dir.info()?;
        let (_, doubt) = place::judged(&what, &list, dir, &info.document)?;
        if let Some(doubt) = doubt {
            say(&doubt, context);
        }
    }
    Ok(Exit::Done)
}

/// Before a configuration is changed, maybe by one attribute of several: what the others can still
/// put right is a warning only.
pub(super) fn modify(
    call: &Call,
    dir: &TypeDir,
    context: &mut Context<'_>,
) -> Result<Exit, Failure> {
    let what = call.cannot("define");
    let Some(list) = call.list(&what, dir, context)? else {
        return Ok(Exit::Done);
    };
    let info = dir.info()?;
    let outcome = check(&list, &list.model, &info.document);
    let read = shown(&dir.info_path());
    let (never, yet): (Vec<_>, Vec<_>) = outcome.reasons.into_iter().partition(|reason| {
        matches!(
            reason.code,
            ReasonCode::ModelMismatch
                | ReasonCode::UnknownParam
                | ReasonCode::TypeMismatch
                | ReasonCode::ValueNotAllowed
        )
    });
    if !never.is_empty() {
        return Err(Failure::Refused(
            place::no(&what, &never).with("read", read),
        ));
    }
    if !yet.is_empty() {
        let what = format!("warning: as it is now, {}", call.cannot("start"));
        say(&place::no(&what, &yet), context);
    }
    Ok(Exit::Done)
}
