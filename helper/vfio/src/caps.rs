// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Capability chains of info ioctls (`struct vfio_info_cap_header` in `linux/vfio.h`).
//!
//! A chain is a list of structures inside one buffer, linked by offsets from the start of the
//! buffer; 0 ends it. The offsets come from a driver, possibly an out-of-tree one, so a chain
//! that leaves the buffer, overlaps a header or never ends is an error and not a panic.
//!
//! Bytes in, values out: nothing here talks to the kernel.

use vfio_bindings::bindings::vfio::{
    VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, VFIO_REGION_INFO_CAP_SPARSE_MMAP, VFIO_REGION_INFO_CAP_TYPE,
};

/// Size of `struct vfio_info_cap_header`: id, version, offset of the next one.
const HEADER: usize = 8;

/// Most capabilities that a chain may have. The kernel defines five for regions; the bound is
/// what stops a chain that loops.
const MAX_CAPABILITIES: usize = 64;

/// A capability of a region.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// Only these parts of the region can be mapped (`VFIO_REGION_INFO_CAP_SPARSE_MMAP`).
    SparseMmap(Vec<Area>),
    /// What a device-specific region is (`VFIO_REGION_INFO_CAP_TYPE`).
    Type {
        /// `VFIO_REGION_TYPE_*`.
        kind: u32,
        /// `VFIO_REGION_SUBTYPE_*`.
        subtype: u32,
    },
    /// The MSI-X table inside the region may be mapped (`VFIO_REGION_INFO_CAP_MSIX_MAPPABLE`).
    MsixMappable,
    /// One that this crate does not know.
    Other {
        /// `VFIO_REGION_INFO_CAP_*`.
        id: u16,
        /// Version of its layout.
        version: u16,
    },
}

/// A part of a region, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Offset from the start of the region.
    pub offset: u64,
    /// Length.
    pub size: u64,
}

/// Reads the chain in `info` whose first capability lies at `first` (0: none).
///
/// # Errors
///
/// The reason why `info` does not hold such a chain.
pub(crate) fn parse(info: &[u8], first: u32) -> Result<Vec<Capability>, &'static str> {
    let mut found = Vec::new();
    let mut at = first;
    while at != 0 {
        if found.len() == MAX_CAPABILITIES {
            return Err("the capability chain does not end");
        }
        let (capability, next) = one(info, at)?;
        found.push(capability);
        at = next;
    }
    Ok(found)
}

/// Reads the capability at offset `at` and the offset of the next one.
fn one(info: &[u8], at: u32) -> Result<(Capability, u32), &'static str> {
    let outside = "a capability lies outside of the answer";
    let start = usize::try_from(at).map_err(|_| outside)?;
    if start < HEADER || start % 4 != 0 {
        return Err("a capability overlaps the header or is not aligned");
    }
    let bytes = info.get(start..).ok_or(outside)?;
    let id = u16_at(bytes, 0).ok_or(outside)?;
    let version = u16_at(bytes, 2).ok_or(outside)?;
    let next = u32_at(bytes, 4).ok_or(outside)?;
    let body = bytes.get(HEADER..).ok_or(outside)?;
    let capability = match (u32::from(id), version) {
        (VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1) => {
            Capability::SparseMmap(areas(body).ok_or(outside)?)
        }
        (VFIO_REGION_INFO_CAP_TYPE, 1) => Capability::Type {
            kind: u32_at(body, 0).ok_or(outside)?,
            subtype: u32_at(body, 4).ok_or(outside)?,
        },
        (VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 1) => Capability::MsixMappable,
        // Another version of a known one has another layout: not ours to read.
        _ => Capability::Other { id, version },
    };
    Ok((capability, next))
}

/// Reads `nr_areas`, a reserved word and the areas.
fn areas(body: &[u8]) -> Option<Vec<Area>> {
    let count = usize::try_from(u32_at(body, 0)?).ok()?;
    let list = body.get(8..)?;
    // The count is checked against what is there before anything is reserved for it.
    let list = list.get(..count.checked_mul(16)?)?;
    list.chunks_exact(16)
        .map(|area| {
            Some(Area {
                offset: u64_at(area, 0)?,
                size: u64_at(area, 8)?,
            })
        })
        .collect()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An info structure of 32 bytes with `caps` behind it.
    fn info(caps: &[u8]) -> Vec<u8> {
        let mut info = vec![0xa5; 32];
        info.extend_from_slice(caps);
        info
    }

    fn header(id: u16, version: u16, next: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&id.to_ne_bytes());
        bytes.extend_from_slice(&version.to_ne_bytes());
        bytes.extend_from_slice(&next.to_ne_bytes());
        bytes
    }

    fn words(values: &[u32]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_ne_bytes())
            .collect()
    }

    fn sparse(next: u32, nr_areas: u32, areas: &[(u64, u64)]) -> Vec<u8> {
        let mut bytes = header(1, 1, next);
        bytes.extend(words(&[nr_areas, 0]));
        for (offset, size) in areas {
            bytes.extend_from_slice(&offset.to_ne_bytes());
            bytes.extend_from_slice(&size.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn no_chain_is_no_capability() {
        assert_eq!(parse(&info(&[]), 0), Ok(vec![]));
        assert_eq!(parse(&[], 0), Ok(vec![]));
    }

    #[test]
    fn a_good_chain_is_read_in_its_order() {
        let mut caps = sparse(64, 1, &[(0x1000, 0x10_0000)]);
        assert_eq!(caps.len(), 32);
        caps.extend([header(2, 1, 80), words(&[3, 1])].concat());
        caps.extend(header(3, 1, 0));
        assert_eq!(
            parse(&info(&caps), 32),
            Ok(vec![
                Capability::SparseMmap(vec![Area {
                    offset: 0x1000,
                    size: 0x10_0000
                }]),
                Capability::Type {
                    kind: 3,
                    subtype: 1
                },
                Capability::MsixMappable,
            ])
        );
    }

    #[test]
    fn an_unknown_id_or_version_is_not_interpreted() {
        assert_eq!(
            parse(&info(&header(2, 2, 0)), 32),
            Ok(vec![Capability::Other { id: 2, version: 2 }])
        );
        assert_eq!(
            parse(&info(&header(0xffff, 1, 0)), 32),
            Ok(vec![Capability::Other {
                id: 0xffff,
                version: 1
            }])
        );
    }

    #[test]
    fn an_empty_sparse_list_is_one() {
        assert_eq!(
            parse(&info(&sparse(0, 0, &[])), 32),
            Ok(vec![Capability::SparseMmap(vec![])])
        );
    }

    #[test]
    fn hostile_chains_are_refused() {
        struct Row {
            what: &'static str,
            caps: Vec<u8>,
            first: u32,
        }
        let rows = [
            Row {
                what: "points to itself",
                caps: header(3, 1, 32),
                first: 32,
            },
            Row {
                what: "two point to each other",
                caps: [header(3, 1, 40), header(3, 1, 32)].concat(),
                first: 32,
            },
            Row {
                what: "first behind the end",
                caps: vec![],
                first: 32,
            },
            Row {
                what: "first far behind the end",
                caps: header(3, 1, 0),
                first: u32::MAX - 3,
            },
            Row {
                what: "first inside argsz",
                caps: header(3, 1, 0),
                first: 4,
            },
            Row {
                what: "first not aligned",
                caps: header(3, 1, 0),
                first: 33,
            },
            Row {
                what: "next behind the end",
                caps: header(3, 1, 4096),
                first: 32,
            },
            Row {
                what: "half a header",
                caps: header(3, 1, 0)[..6].to_vec(),
                first: 32,
            },
            Row {
                what: "type without subtype",
                caps: [header(2, 1, 0), words(&[3])].concat(),
                first: 32,
            },
            Row {
                what: "sparse without a count",
                caps: header(1, 1, 0),
                first: 32,
            },
            Row {
                what: "sparse with one area too few",
                caps: sparse(0, 2, &[(0, 1)]),
                first: 32,
            },
            Row {
                what: "sparse with 2^32 - 1 areas",
                caps: sparse(0, u32::MAX, &[(0, 1)]),
                first: 32,
            },
        ];
        for row in rows {
            assert!(parse(&info(&row.caps), row.first).is_err(), "{}", row.what);
        }
    }

    #[test]
    fn every_truncation_of_a_good_chain_is_refused() {
        let mut caps = sparse(64, 1, &[(1, 2)]);
        caps.extend([header(2, 1, 0), words(&[3, 1])].concat());
        let whole = info(&caps);
        assert!(parse(&whole, 32).is_ok());
        for len in 0..whole.len() {
            assert!(parse(&whole[..len], 32).is_err(), "cut to {len} bytes");
        }
    }
}
