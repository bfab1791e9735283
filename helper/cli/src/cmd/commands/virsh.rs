// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! libvirt: a node device with every parameter as an attribute, which libvirt gives to mdevctl.

use vmig::value::Value;

use super::{
    Command,
    Script,
    Target, //
};
use crate::failure::{
    Failure,
    Message, //
};

pub(super) fn script(target: &Target<'_>) -> Result<Script, Failure> {
    let parent = parent(target.parent)?;
    let xml = device(target, &parent)?;
    let given = |verb: &str| Command {
        argv: ["virsh", verb, "/dev/stdin"].map(str::to_owned).into(),
        stdin: Some(xml.clone()),
        more: false,
    };
    let commands = match target.define {
        false => vec![given("nodedev-create")],
        true => {
            let uuid = target.uuid("--define needs")?.to_string();
            // Other than the name of the parent as a node device, it does not say what kind that is.
            let name = underscores(&format!("mdev_{uuid}_{}", target.parent));
            let start = ["virsh", "nodedev-start", &name].map(str::to_owned);
            let start = Command {
                argv: start.into(),
                ..Command::default()
            };
            vec![given("nodedev-define"), start]
        }
    };
    let domain = |uuid| {
        format!(
            "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='{uuid}'/></source></hostdev>"
        )
    };
    Ok(Script {
        commands,
        domain_xml: target.uuid.map(domain),
        remark: None,
    })
}

/// libvirt's name for the device `name` of the kernel. It lists mdev types of three kinds of devices,
/// which are told by their names.
fn parent(name: &str) -> Result<String, Failure> {
    let parts: Vec<&str> = name.split([':', '.']).collect();
    let marks: String = name.chars().filter(|c| matches!(c, ':' | '.')).collect();
    let hex = |lengths: &[usize]| {
        let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let fits =
            |(part, length): (&&str, &usize)| part.len() == *length && part.chars().all(digit);
        parts.len() == lengths.len() && parts.iter().zip(lengths).all(fits)
    };
    // A domain of PCI has four digits or more.
    let domain = parts.first().map_or(0, |domain| domain.len()).max(4);
    let bus = if marks == "::." && hex(&[domain, 2, 2, 1]) {
        "pci_"
    } else if marks == ".." && hex(&[1, 1, 4]) {
        "css_"
    } else if name == "matrix" {
        "ap_"
    } else {
        let line = format!(
            "libvirt does not see the parent {name}: it knows mdev types of PCI, css and ap devices only"
        );
        let message = Message::new(line).with("try", "--tool mdevctl, or vmig");
        return Err(Failure::Refused(message));
    };
    Ok(format!("{bus}{}", underscores(name)))
}

/// A name of the kernel's, as libvirt has it in its own names.
fn underscores(name: &str) -> String {
    name.replace([':', '.', '-'], "_")
}

/// `nodedev` XML of the device.
fn device(target: &Target<'_>, parent: &str) -> Result<String, Failure> {
    let mut xml = format!("<device>\n  <parent>{parent}</parent>\n  <capability type='mdev'>\n");
    xml.push_str(&format!(
        "    <type id={}/>\n",
        attribute("type", target.kind)?
    ));
    if let Some(uuid) = target.uuid {
        xml.push_str(&format!("    <uuid>{uuid}</uuid>\n"));
    }
    let params = target.params.iter();
    let params = params.map(|(name, value)| (format!("migration/{name}"), value.clone()));
    let keep = target
        .keep
        .then(|| (vmig::mdevctl::KEEP.to_owned(), Value::Int(1)));
    for (name, value) in params.chain(keep) {
        let value = attribute(&name, &value.to_string())?;
        let name = attribute(&name, &name)?;
        xml.push_str(&format!("    <attr name={name} value={value}/>\n"));
    }
    xml.push_str("  </capability>\n</device>\n");
    Ok(xml)
}

/// A quoted value of an XML attribute; `what` is the name of what has it.
fn attribute(what: &str, text: &str) -> Result<String, Failure> {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '&' => quoted.push_str("&amp;"),
            '<' => quoted.push_str("&lt;"),
            '>' => quoted.push_str("&gt;"),
            '\'' => quoted.push_str("&apos;"),
            // As they are, these would be read as spaces.
            '\t' | '\r' => quoted.push_str(&format!("&#{};", u32::from(c))),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                let line = format!("{what}: {c:?} cannot be said in XML");
                let message = Message::new(line).with("try", "--tool mdevctl, or vmig");
                return Err(Failure::Refused(message));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    Ok(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents() {
        for (name, expected) in [
            ("0000:00:06.0", Some("pci_0000_00_06_0")),
            ("10000:e1:00.7", Some("pci_10000_e1_00_7")),
            ("0.0.0123", Some("css_0_0_0123")),
            ("matrix", Some("ap_matrix")),
            ("vmig", None),
            ("vmig-old", None),
            ("00:06.0", None),
            ("0000:00:06", None),
            ("0000:00.06:0", None),
            ("0000:00:0g.0", None),
            ("0000:00:06.00", None),
            ("", None),
        ] {
            assert_eq!(parent(name).ok().as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn quoting() {
        assert_eq!(
            attribute("a", "<'\"&\t\r\u{e9}>").ok().as_deref(),
            Some("'&lt;&apos;\"&amp;&#9;&#13;\u{e9}&gt;'")
        );
        for bad in ["\u{1b}", "\u{1}", "\u{ffff}"] {
            assert!(attribute("a", bad).is_err());
        }
    }
}
