// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The example of the thread that began the project: "only supports new-feature=on when
//! num-queues>2", which the RFC's JSON cannot express and a constraint can.

use vmig::{
    check::check,
    document::Document,
    list::List,
    reason::ReasonCode,
    verdict::Verdict, //
};

const MODEL: &str = "example.org/my-device";

#[test]
fn combinations() {
    let document = include_bytes!("fixtures/seed.json");
    let document = Document::parse(document, "seed.json").unwrap();
    for (params, verdict, reasons) in [
        (
            "new-feature=on\nnum-queues=4\n",
            Verdict::Compatible,
            &[][..],
        ),
        (
            "new-feature=on\nnum-queues=2\n",
            Verdict::Incompatible,
            &[ReasonCode::ConstraintViolated],
        ),
        ("num-queues=4\n", Verdict::Compatible, &[]),
        ("num-queues=2\n", Verdict::Compatible, &[]),
        (
            "num-queues=9\n",
            Verdict::Incompatible,
            &[ReasonCode::ValueNotAllowed],
        ),
        (
            "new-feature=on\nnum-queues=9\n",
            Verdict::Incompatible,
            &[ReasonCode::ValueNotAllowed, ReasonCode::ConstraintViolated],
        ),
        (
            "new-feature=on\n",
            Verdict::Incompatible,
            &[ReasonCode::CannotDisable],
        ),
    ] {
        let list = List::parse(params.as_bytes(), "list", Some(MODEL)).unwrap();
        let outcome = check(&list, MODEL, &document);
        let codes: Vec<ReasonCode> = outcome.reasons.iter().map(|reason| reason.code).collect();
        assert_eq!(
            (outcome.verdict, codes.as_slice()),
            (verdict, reasons),
            "{params}"
        );
        assert_eq!(outcome.apply.is_some(), verdict == Verdict::Compatible);
    }
}
