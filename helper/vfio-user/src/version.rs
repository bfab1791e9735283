// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What both ends agree on before anything else: the version and the capabilities.

use nix::errno::Errno;
use serde_json::{
    json,
    Value, //
};

use crate::{
    dma::{
        MAPS_MAX,
        PAGE, //
    },
    message::{
        Version,
        Wire,
        DATA_MAX,
        FILES_MAX, //
    },
};

/// The major version that is spoken.
pub const MAJOR: u16 = 0;

/// The newest minor version that is spoken.
pub const MINOR: u16 = 1;

/// Longest text of capabilities, in bytes.
const TEXT_MAX: usize = 1 << 16;

/// What QEMU says of its bitmaps, in bytes.
const BITMAP_MAX: u64 = 256 << 20;

/// What one end can do; what it does not say is what the protocol takes for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Most files that it takes with one message.
    pub max_msg_fds: u64,
    /// Largest `count` of a transfer that it takes, in bytes.
    pub max_data_xfer_size: u64,
    /// Most mappings that it takes.
    pub max_dma_maps: u64,
    /// Page sizes of mappings that it takes, one bit each.
    pub pgsizes: u64,
    /// It knows `REGION_WRITE_MULTI`.
    pub write_multiple: bool,
    /// It can have commands of the server on a socket of their own.
    pub twin_socket: bool,
    /// Where that socket stands among the files of the reply.
    pub twin_index: Option<u64>,
    /// It is QEMU: nobody else says how large a bitmap of a migration may be.
    pub qemu: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            max_msg_fds: 1,
            max_data_xfer_size: 1 << 20,
            max_dma_maps: 65535,
            pgsizes: 4096,
            write_multiple: false,
            twin_socket: false,
            twin_index: None,
            qemu: false,
        }
    }
}

impl Capabilities {
    /// What this crate can do, at either end.
    pub fn ours() -> Self {
        Self {
            max_msg_fds: wide(FILES_MAX),
            max_data_xfer_size: wide(DATA_MAX),
            max_dma_maps: wide(MAPS_MAX),
            pgsizes: PAGE,
            write_multiple: true,
            twin_socket: true,
            twin_index: None,
            qemu: false,
        }
    }

    /// `count` bytes, if who has these capabilities takes as many and we do. It is the receiver of a
    /// transfer's command whose limit counts: [`Capabilities::ours`] for what a client sends.
    ///
    /// # Errors
    ///
    /// `EINVAL`.
    pub fn transfer(&self, count: u64) -> Result<usize, Errno> {
        let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        let fits = count <= DATA_MAX && wide(count) <= self.max_data_xfer_size;
        fits.then_some(count).ok_or(Errno::EINVAL)
    }

    /// Reads the text after a [`Version`], which may be missing.
    ///
    /// # Errors
    ///
    /// `EINVAL`: it does not end with NUL, is no JSON, or a known capability has another type than the
    /// protocol says. Unknown ones are ignored.
    pub fn parse(text: &[u8]) -> Result<Self, Errno> {
        let Some((end, text)) = text.split_last() else {
            return Ok(Self::default());
        };
        if *end != 0 || text.len() > TEXT_MAX {
            return Err(Errno::EINVAL);
        }
        let value: Value = serde_json::from_slice(text).map_err(|_| Errno::EINVAL)?;
        let all = object(&value)?;
        let default = Self::default();
        let Some(all) = all.get("capabilities") else {
            return Ok(default);
        };
        let all = object(all)?;
        let number = |name, default| all.get(name).map_or(Ok(default), integer);
        let twin = all.get("twin_socket").map(object).transpose()?;
        let twin = |name| twin.and_then(|twin| twin.get(name));
        let migration = all.get("migration").and_then(Value::as_object);
        Ok(Self {
            max_msg_fds: number("max_msg_fds", default.max_msg_fds)?,
            max_data_xfer_size: number("max_data_xfer_size", default.max_data_xfer_size)?,
            max_dma_maps: number("max_dma_maps", default.max_dma_maps)?,
            pgsizes: number("pgsizes", default.pgsizes)?,
            write_multiple: all.get("write_multiple").map_or(Ok(false), boolean)?,
            twin_socket: twin("supported").map_or(Ok(false), boolean)?,
            twin_index: twin("fd_index").map(integer).transpose()?,
            qemu: migration.is_some_and(|all| all.contains_key("max_bitmap_size")),
        })
    }

    /// The text that [`Capabilities::parse`] reads.
    pub fn text(&self) -> Vec<u8> {
        let mut all = json!({
            "max_msg_fds": self.max_msg_fds,
            "max_data_xfer_size": self.max_data_xfer_size,
            "max_dma_maps": self.max_dma_maps,
            "pgsizes": self.pgsizes,
        });
        if let Some(all) = all.as_object_mut() {
            if self.write_multiple {
                all.insert("write_multiple".to_owned(), true.into());
            }
            if self.qemu {
                let migration = json!({"pgsize": PAGE, "max_bitmap_size": BITMAP_MAX});
                all.insert("migration".to_owned(), migration);
            }
            if self.twin_socket {
                let mut twin = json!({"supported": true});
                if let (Some(twin), Some(index)) = (twin.as_object_mut(), self.twin_index) {
                    twin.insert("fd_index".to_owned(), index.into());
                }
                all.insert("twin_socket".to_owned(), twin);
            }
        }
        let mut text = json!({"capabilities": all}).to_string().into_bytes();
        text.push(0);
        text
    }
}

/// The body of a `VERSION` message.
pub fn body(version: Version, capabilities: &Capabilities) -> Vec<u8> {
    let mut body = version.bytes();
    body.extend(capabilities.text());
    body
}

/// Reads the body of a `VERSION` message.
///
/// # Errors
///
/// `EINVAL`: too short, and see [`Capabilities::parse`].
pub fn parse(body: &[u8]) -> Result<(Version, Capabilities), Errno> {
    let (version, text) = Version::split(body)?;
    Ok((version, Capabilities::parse(text)?))
}

fn object(value: &Value) -> Result<&serde_json::Map<String, Value>, Errno> {
    value.as_object().ok_or(Errno::EINVAL)
}

fn integer(value: &Value) -> Result<u64, Errno> {
    value.as_u64().ok_or(Errno::EINVAL)
}

fn boolean(value: &Value) -> Result<bool, Errno> {
    value.as_bool().ok_or(Errno::EINVAL)
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Capabilities, Errno> {
        let mut text = text.as_bytes().to_vec();
        text.push(0);
        Capabilities::parse(&text)
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let default = Capabilities::default();
        assert_eq!(Capabilities::parse(&[]), Ok(default));
        for text in [
            "{}",
            r#"{"capabilities":{}}"#,
            r#"{"capabilities":{"migration":{"pgsize":4096},"x":[1]},"y":2}"#,
            r#"{"capabilities":{"twin_socket":{}}}"#,
        ] {
            assert_eq!(parsed(text), Ok(default), "{text}");
        }
    }

    #[test]
    fn what_is_said_is_read_back() {
        let mut ours = Capabilities::ours();
        assert_eq!(Capabilities::parse(&ours.text()), Ok(ours));
        ours.twin_index = Some(0);
        ours.write_multiple = false;
        ours.qemu = true;
        assert_eq!(Capabilities::parse(&ours.text()), Ok(ours));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "[]",
            "{",
            "{} {}",
            r#"{"capabilities":[]}"#,
            r#"{"capabilities":{"max_msg_fds":-1}}"#,
            r#"{"capabilities":{"max_msg_fds":1.5}}"#,
            r#"{"capabilities":{"max_data_xfer_size":"1"}}"#,
            r#"{"capabilities":{"write_multiple":1}}"#,
            r#"{"capabilities":{"twin_socket":true}}"#,
            r#"{"capabilities":{"twin_socket":{"supported":"yes"}}}"#,
            r#"{"capabilities":{"twin_socket":{"fd_index":-1}}}"#,
        ] {
            assert_eq!(parsed(text), Err(Errno::EINVAL), "{text}");
        }
        assert_eq!(Capabilities::parse(b"{}"), Err(Errno::EINVAL), "no NUL");
        assert_eq!(Capabilities::parse(b"{}\0\0"), Err(Errno::EINVAL));
        assert_eq!(Capabilities::parse(b"\xff\0"), Err(Errno::EINVAL));
        let deep = "[".repeat(60_000);
        assert_eq!(parsed(&deep), Err(Errno::EINVAL));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(TEXT_MAX));
        assert_eq!(parsed(&long), Err(Errno::EINVAL));
    }
}
