// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! QEMU: vmig makes the device, and QEMU opens it and waits for the migration.

use super::{
    create,
    usage,
    Command,
    Script,
    Target, //
};
use crate::{
    cli::{
        Commands,
        Interface, //
    },
    failure::Failure,
};

/// Where a device goes if nobody says where: wherever there is place.
const ADDRESS: &str =
    "the device has to be where it is at the source: --addr, or addr= in QEMU's arguments";

pub(super) fn script(target: &Target<'_>, args: &Commands) -> Result<Script, Failure> {
    let uuid = target.uuid("QEMU needs")?;
    let mut argv = vec!["qemu-system-x86_64".to_owned()];
    let mut device = format!("vfio-pci,sysfsdev=/sys/bus/mdev/devices/{uuid}");
    if args.attach == Some(Interface::Cdev) {
        argv.extend(["-object".to_owned(), "iommufd,id=iommufd-vmig".to_owned()]);
        device.push_str(",iommufd=iommufd-vmig");
    }
    if let Some(address) = &args.addr {
        if !is_address(address) {
            let line = format!("{address}: not SLOT or SLOT.FUNCTION in hexadecimal, 0 to 1f.7");
            return Err(usage(line));
        }
        device.push_str(&format!(",addr={address}"));
    }
    argv.extend(["-device".to_owned(), device]);
    argv.extend(["-incoming".to_owned(), "defer".to_owned()]);
    let qemu = Command {
        argv,
        stdin: None,
        more: true,
    };
    Ok(Script {
        commands: vec![create(target), qemu],
        remark: args.addr.is_none().then_some(ADDRESS),
        ..Script::default()
    })
}

/// Whether `text` is the place of a function on a PCI bus, as QEMU reads it.
fn is_address(text: &str) -> bool {
    let (slot, function) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let slot = digits(slot) && u8::from_str_radix(slot, 16).is_ok_and(|slot| slot < 32);
    slot && matches!(function.as_bytes(), [b'0'..=b'7'])
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn addresses() {
        for good in ["5", "05", "05.0", "1f.7", "1F"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "", ".", "5.", ".0", "20", "5.8", "5.00", "+5", "5,x=y", "0x5", "5.0.0",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
