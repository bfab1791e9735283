// SPDX-License-Identifier: GPL-2.0-only

//! KUnit tests of the table: they run when the module is loaded, and touch no device.
#![forbid(unsafe_code)]

use kernel::prelude::*;

#[kunit_tests(vmig_staging)]
mod suite {
    use super::super::table::{
        Offer,
        Table,
        MAX_ENTRIES, //
    };
    use kernel::prelude::*;
    use vmig_model::{
        capacity::{
            Capacity,
            PARENT, //
        },
        stage::{
            parse,
            Entry, //
        },
        types::{
            find,
            Generation, //
        },
        uuid::Uuid,
        values::Values, //
    };

    fn uuid(n: u8) -> Uuid {
        let mut bytes = [0; 16];
        bytes[15] = n;
        Uuid::from_bytes(bytes)
    }

    fn parent(table: &mut Table, ty: &str) -> Result<Offer> {
        Ok(Offer {
            parent: table.add_parent()?,
            ty: find(Generation::NEWEST, ty).ok_or(ENOENT)?,
        })
    }

    fn entry(at: Offer, n: u8, ports: u32) -> Result<Entry> {
        let mut line = KVec::new();
        line.extend_from_slice(b"00000000-0000-0000-0000-000000000000 ports=", GFP_KERNEL)?;
        line.push(b'0' + u8::try_from(ports)?, GFP_KERNEL)?;
        let Entry { values, .. } = parse(at.ty, &line).map_err(crate::errno::of)?;
        Ok(Entry {
            uuid: uuid(n),
            values,
        })
    }

    fn entries(table: &Table, at: Offer) -> usize {
        let mut n = 0;
        // Counting does not fail.
        let _ = table.for_each(at, |_| -> Result {
            n += 1;
            Ok(())
        });
        n
    }

    #[test]
    fn same_entry_again_succeeds_and_another_is_eexist() -> Result {
        let mut table = Table::new();
        let at = parent(&mut table, "serial-var")?;
        let there = parent(&mut table, "serial-var")?;
        table.stage(at, entry(at, 1, 2)?)?;
        table.stage(at, entry(at, 1, 2)?)?;
        assert_eq!(entries(&table, at), 1);
        assert_eq!(table.stage(at, entry(at, 1, 1)?), Err(EEXIST));
        assert_eq!(table.stage(there, entry(there, 1, 2)?), Err(EEXIST));
        assert_eq!(entries(&table, there), 0);
        Ok(())
    }

    #[test]
    fn entry_holds_capacity_until_unstaged() -> Result {
        let mut table = Table::new();
        let at = parent(&mut table, "serial-var")?;
        assert_eq!(table.available(at), PARENT.ports);
        table.stage(at, entry(at, 1, 2)?)?;
        assert_eq!(table.available(at), PARENT.ports - 2);
        table.unstage(at, uuid(1))?;
        assert_eq!(table.available(at), PARENT.ports);
        assert_eq!(table.unstage(at, uuid(1)), Err(ENOENT));
        Ok(())
    }

    #[test]
    fn too_many_entries_are_enospc_even_without_capacity() -> Result {
        let mut table = Table::new();
        let at = parent(&mut table, "serial-var")?;
        let two = Offer {
            ty: find(Generation::NEWEST, "serial-2").ok_or(ENOENT)?,
            ..at
        };
        for n in 0..u8::try_from(MAX_ENTRIES)? {
            table.stage(at, entry(at, n, 1)?)?;
        }
        for n in 0..4 {
            table.stage(two, entry(two, 100 + n, 2)?)?;
        }
        assert_eq!(table.available(at), 0);
        assert_eq!(table.stage(at, entry(at, 99, 1)?), Err(ENOSPC));
        assert_eq!(table.stage(two, entry(two, 99, 2)?), Err(EUSERS));
        assert_eq!(table.begin(two, uuid(99)).err(), Some(EUSERS));
        assert_eq!(entries(&table, two), 4);
        Ok(())
    }

    #[test]
    fn failed_create_keeps_the_entry_and_a_device_consumes_it() -> Result {
        let mut table = Table::new();
        let at = parent(&mut table, "serial-var")?;
        let staged = entry(at, 1, 2)?;
        table.stage(at, staged)?;

        let (refused, values) = table.begin(at, uuid(1))?;
        assert!(values == staged.values);
        assert_eq!(table.stage(at, staged), Err(EBUSY));
        assert_eq!(table.unstage(at, uuid(1)), Err(EBUSY));
        table.end(refused);
        assert_eq!(entries(&table, at), 1);

        let (device, values) = table.begin(at, uuid(1))?;
        assert!(values == staged.values);
        table.commit(device);
        assert_eq!(entries(&table, at), 0);
        assert_eq!(table.available(at), PARENT.ports - 2);
        assert_eq!(table.stage(at, staged), Err(EEXIST));
        assert_eq!(table.unstage(at, uuid(1)), Err(ENOENT));
        // Whoever is late cannot touch it.
        table.end(refused);
        assert_eq!(table.available(at), PARENT.ports - 2);
        table.end(device);
        assert_eq!(table.available(at), PARENT.ports);
        Ok(())
    }

    #[test]
    fn unstaged_create_takes_initial_values_and_leaves_nothing() -> Result {
        let mut table = Table::new();
        let at = parent(&mut table, "serial-2")?;
        let (device, values) = table.begin(at, uuid(1))?;
        assert!(values == Values::init(at.ty));
        assert_eq!(table.available(at), PARENT.ports / 2 - 1);
        table.end(device);
        assert_eq!(table.available(at), PARENT.ports / 2);
        assert_eq!(entries(&table, at), 0);
        Ok(())
    }

    #[test]
    fn create_at_another_type_is_eexist() -> Result {
        let mut table = Table::new();
        let at = parent(&mut table, "serial-var")?;
        let one = Offer {
            ty: find(Generation::NEWEST, "serial-1").ok_or(ENOENT)?,
            ..at
        };
        table.stage(at, entry(at, 1, 1)?)?;
        assert_eq!(table.begin(one, uuid(1)).err(), Some(EEXIST));
        assert_eq!(table.unstage(one, uuid(1)), Err(ENOENT));
        assert_eq!(entries(&table, at), 1);
        Ok(())
    }

    #[test]
    fn resize_takes_what_is_left_and_no_more() -> Result {
        let mut table = Table::new();
        let at = parent(&mut table, "serial-var")?;
        let ports = |ports| Capacity {
            ports,
            memory_mb: 0,
        };
        let (device, _) = table.begin(at, uuid(1))?;
        table.commit(device);
        table.resize(device, ports(PARENT.ports))?;
        assert_eq!(table.available(at), 0);
        assert_eq!(table.resize(device, ports(PARENT.ports + 1)), Err(EUSERS));
        assert_eq!(table.available(at), 0);
        table.resize(device, ports(1))?;
        assert_eq!(table.available(at), PARENT.ports - 1);
        Ok(())
    }

    #[test]
    fn entries_die_with_their_parent_only() -> Result {
        let mut table = Table::new();
        let at = parent(&mut table, "serial-var")?;
        let there = parent(&mut table, "serial-var")?;
        table.stage(at, entry(at, 1, 1)?)?;
        table.stage(there, entry(there, 2, 1)?)?;
        table.remove_parent(at.parent);
        assert_eq!(entries(&table, at), 0);
        assert_eq!(entries(&table, there), 1);
        table.stage(there, entry(there, 1, 1)?)
    }
}
