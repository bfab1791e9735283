// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Golden streams: `tests/golden/streams/*.hex` of the repository. Yesterday's streams still load,
//! and today's bytes are these bytes. The files are never edited; a new version adds new ones.

use std::{
    collections::BTreeMap,
    fs,
    path::Path, //
};

use vmig_model::{
    arcs::State,
    types::{
        find,
        Generation, //
    },
};

use crate::support::*;

/// The comment line and the bytes of a golden file.
fn parse(text: &str) -> (String, Vec<u8>) {
    let (comments, lines): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with('#'));
    let digits: String = lines.concat().split_whitespace().collect();
    let bytes = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits"))
        .collect();
    (comments.join("\n"), bytes)
}

fn format(comment: &str, bytes: &[u8]) -> String {
    let mut text = format!("# SPDX-License-Identifier: GPL-2.0-only OR MIT\n# {comment}\n");
    for line in bytes.chunks(32) {
        text.extend(line.iter().map(|byte| format!("{byte:02x}")));
        text.push('\n');
    }
    text
}

/// A stream, and the state of the stopped device once more.
type Made = (Vec<u8>, Vec<u8>);

/// Loads a stream into a new device, and writes the state of that.
type Reload = dyn Fn(&[u8]) -> Vec<u8>;

/// A golden stream.
pub(crate) struct Golden {
    pub(crate) file: &'static str,
    pub(crate) comment: &'static str,
    /// Writes it today.
    pub(crate) make: Box<dyn Fn() -> Made>,
    pub(crate) reload: Box<Reload>,
}

/// All of them, of every version that was ever released.
fn golden() -> Vec<Golden> {
    let serial = SERIAL.iter().map(|row| Golden {
        file: row.file,
        comment: row.comment,
        make: Box::new(|| {
            let mut dut = dut(row.list);
            let stream = (row.make)(&mut dut);
            dut.set_state(State::Stop).unwrap();
            (stream, saved(&mut dut))
        }),
        reload: Box::new(|stream| {
            let mut dut = dut(row.list);
            load(&mut dut, stream, 33).unwrap_or_else(|error| panic!("{}: {error}", row.file));
            saved(&mut dut)
        }),
    });
    serial.chain(crate::accel::golden()).collect()
}

/// One of a serial card.
struct Serial {
    file: &'static str,
    comment: &'static str,
    /// Parameters of the card that wrote it.
    list: &'static List,
    make: fn(&mut Dut) -> Vec<u8>,
}

static SERIAL: [Serial; 5] = [
    Serial {
        file: "serial-1.0-idle-16550a.hex",
        comment: "Version 1.0, pci-serial, ports=1: a 16550A after reset.",
        list: PLAIN,
        make: saved,
    },
    Serial {
        file: "serial-1.0-data-16550a.hex",
        comment: "Version 1.0, pci-serial, ports=2: two 16550A, \"vmig one\" and \"vmig two\" received.",
        list: PLAIN_2,
        make: |dut| {
            for (port, text) in [(0, b"vmig one"), (PORT_1, b"vmig two")] {
                set_up(dut, port, false);
                outb(dut, port + IER, 0x05);
                send(dut, port, text);
            }
            config_write(dut, 0x04, &[0x01]);
            config_write(dut, 0x10, &0xc000_u32.to_le_bytes());
            saved(dut)
        },
    },
    Serial {
        file: "serial-1.0-full-16750.hex",
        comment: "Version 1.0, pci-serial, auto-flow=on fifo-size=64 line-stats=on ports=2: everything in use, data in both FIFOs of both ports, a message pending.",
        list: FULL,
        make: |dut| {
            fill(dut);
            saved(dut)
        },
    },
    Serial {
        file: "serial-1.0-no-stats-16750.hex",
        comment: "Version 1.0, pci-serial, auto-flow=on fifo-size=64 ports=2: the same without line statistics.",
        list: FULL_NO_STATS,
        make: |dut| {
            fill(dut);
            saved(dut)
        },
    },
    Serial {
        file: "serial-1.0-reinit-16750.hex",
        comment: "Version 1.0, pci-serial, line-stats switched on and off in pre-copy: three parameter records.",
        list: FULL_NO_STATS,
        make: |dut| {
            fill(dut);
            dut.set_reinit(true);
            let session = dut.set_state(State::PreCopy).unwrap().unwrap().session;
            let mut stream = drain(dut, session, 64);
            for text in ["on", "off"] {
                let i = serial_var().index("line-stats").unwrap();
                dut.set_param(i, text, true).unwrap();
                stream.extend(drain(dut, session, 64));
            }
            dut.set_state(State::StopCopy).unwrap();
            stream.extend(drain(dut, session, 64));
            stream
        },
    },
];

fn directory() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/streams")
}

/// The files that are there, by name. A missing file is written if `VMIG_GOLDEN=new` asks for it; an
/// existing one never is.
fn files() -> BTreeMap<String, String> {
    let directory = directory();
    if std::env::var("VMIG_GOLDEN").is_ok_and(|value| value == "new") {
        fs::create_dir_all(&directory).unwrap();
        for golden in golden() {
            let path = directory.join(golden.file);
            if !path.exists() {
                let (bytes, _) = (golden.make)();
                fs::write(path, format(golden.comment, &bytes)).unwrap();
            }
        }
    }
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hex"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn todays_bytes_are_the_golden_bytes() {
    let files = files();
    let mut names: Vec<_> = golden()
        .iter()
        .map(|golden| golden.file.to_owned())
        .collect();
    names.sort();
    assert_eq!(
        files.keys().cloned().collect::<Vec<_>>(),
        names,
        "every file has its test"
    );
    for golden in golden() {
        let text = &files[golden.file];
        let (comment, bytes) = parse(text);
        assert!(comment.contains(golden.comment), "{}", golden.file);
        let (today, _) = (golden.make)();
        assert!(today == bytes, "{}: today's stream differs", golden.file);
        assert_eq!(*text, format(golden.comment, &bytes));
    }
}

#[test]
fn golden_streams_load() {
    let files = files();
    for golden in golden() {
        let (_, bytes) = parse(&files[golden.file]);
        let (_, stopped) = (golden.make)();
        assert!((golden.reload)(&bytes) == stopped, "{}", golden.file);
    }
}

/// The older generation reads the newer one's streams where the list allows, and back.
#[test]
fn generations_exchange_plain_streams() {
    use vmig_model::serial::Card;
    let old = find(Generation::One, "serial-var").unwrap();
    for golden in SERIAL
        .iter()
        .filter(|golden| golden.list == PLAIN || golden.list == PLAIN_2)
    {
        let (_, bytes) = parse(&files()[golden.file]);
        let card = Card::new(old, values(old, golden.list));
        let mut dut = engine_of(card);
        dut.open().unwrap();
        load(&mut dut, &bytes, 70).unwrap();
        assert_eq!(saved(&mut dut), bytes, "the same bytes from generation 1");
    }
    let (_, bytes) = parse(&files()["serial-1.0-full-16750.hex"]);
    let mut dut = engine_of(Card::new(old, values(old, PLAIN_2)));
    dut.open().unwrap();
    assert!(load(&mut dut, &bytes, 70).is_err());
    assert_eq!(refusal(&dut), "auto-flow: stream on, device unknown");
}
