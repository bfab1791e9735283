// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What a verb works with: the system, the streams, the global options.

use std::{
    io::{
        BufWriter,
        Read,
        Write, //
    },
    mem::ManuallyDrop,
};

use anstyle::Style;
use serde::Serialize;
use vmig::{
    error::Error,
    fleet,
    list::List,
    output::{
        to_json,
        ErrorDocument, //
    },
    source::{
        self,
        Record, //
    },
    sysfs::System,
};

use crate::{
    cli::{
        Color,
        FromList,
        Global,
        Narrow,
        Output, //
    },
    exit::Exit,
    failure::{
        self,
        Failure,
        Message,
        LINES_MAX, //
    },
    interrupt::Interrupt,
    text::{
        escape_json,
        escape_lines,
        message_line, //
    },
};

/// What was read, which stays until the process ends, and that is soon: giving the memory of a fleet
/// back piece by piece takes nearly as long as judging it.
pub type Records = ManuallyDrop<Vec<Record>>;

/// The streams of a run.
pub struct Io<'a> {
    /// Standard input.
    pub stdin: &'a mut dyn Read,
    /// Data only.
    pub out: &'a mut dyn Write,
    /// Messages only.
    pub err: &'a mut dyn Write,
    /// Whether `out` is a terminal.
    pub out_terminal: bool,
    /// Whether `err` is a terminal.
    pub err_terminal: bool,
    /// Whether the environment asks for no colour.
    pub plain: bool,
    /// Whether the user has interrupted.
    pub interrupt: Interrupt,
}

/// The streams of a [`Context`], borrowed one by one.
pub struct Streams<'a> {
    /// Standard input.
    pub stdin: &'a mut dyn Read,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error, where someone watches it.
    pub progress: Option<&'a mut dyn Write>,
}

/// The system, the streams and the global options.
pub struct Context<'a> {
    /// Where things are read and written.
    pub system: System,
    /// Whether the user has interrupted.
    pub interrupt: Interrupt,
    io: Io<'a>,
    json: bool,
    color: bool,
    quiet: bool,
    verbose: bool,
}

impl<'a> Context<'a> {
    /// A context with these global options.
    pub fn new(io: Io<'a>, system: System, global: &Global) -> Self {
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => io.out_terminal && !io.plain,
        };
        Self {
            system,
            interrupt: io.interrupt.clone(),
            io,
            json: global.output == Output::Json,
            color,
            quiet: global.quiet,
            verbose: global.verbose > 0,
        }
    }

    /// Whether the output is JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether more is to be told.
    pub fn verbose(&self) -> bool {
        self.verbose
    }

    /// Writes a document to the output.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`].
    pub fn document<T: Serialize>(&mut self, document: &T) -> Result<(), Failure> {
        if self.io.out_terminal {
            let text = to_json(document).map_err(std::io::Error::from)?;
            return self.raw(escape_json(&text).as_bytes());
        }
        // Not by way of a string, which may be many times as long as what it comes from.
        let mut out = BufWriter::with_capacity(1 << 16, &mut *self.io.out);
        serde_json::to_writer_pretty(&mut out, document).map_err(std::io::Error::from)?;
        out.write_all(b"\n")?;
        out.flush()?;
        Ok(())
    }

    /// Writes lines to the output that are escaped already.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`].
    pub fn lines<T: AsRef<str>>(
        &mut self,
        lines: impl IntoIterator<Item = T>,
    ) -> Result<(), Failure> {
        let mut text = String::new();
        for line in lines {
            text.push_str(line.as_ref());
            text.push('\n');
        }
        self.raw(text.as_bytes())
    }

    /// Writes text for programs to the output: as it is, but escaped on a terminal.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`].
    pub fn verbatim(&mut self, text: &str) -> Result<(), Failure> {
        match self.io.out_terminal {
            true => self.raw(escape_lines(text).as_bytes()),
            false => self.raw(text.as_bytes()),
        }
    }

    /// Writes bytes to the output.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`].
    pub fn raw(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.io.out.write_all(data)?;
        self.io.out.flush()?;
        Ok(())
    }

    /// `text` in a colour, where colours are wanted.
    pub fn paint(&self, style: Style, text: &str) -> String {
        match self.color {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }

    /// Tells the user something that is no failure, unless `-q`.
    pub fn notice(&mut self, message: &Message) {
        if !self.quiet {
            self.tell(message);
        }
    }

    /// Tells the user about something odd in an input, unless `-q`.
    pub fn warning(&mut self, warning: &Error) {
        self.notice(&Message::new(format!("warning: {warning}")));
    }

    /// Tells the user about odd things, but not about all of a great many.
    fn warnings<'e>(&mut self, warnings: impl Iterator<Item = &'e Error>) {
        let limit = if self.verbose { usize::MAX } else { LINES_MAX };
        let mut more = 0usize;
        for (n, warning) in warnings.enumerate() {
            if n < limit {
                self.warning(warning);
            } else {
                more += 1;
            }
        }
        if more > 0 {
            self.notice(&Message::new(format!("and {more} more warnings (-v)")));
        }
    }

    /// Tells the user something that only `-v` wants to know.
    pub fn detail(&mut self, message: &Message) {
        if self.verbose {
            self.tell(message);
        }
    }

    fn tell(&mut self, message: &Message) {
        let mut text = format!("vmig: {}\n", message_line(&message.line));
        let limit = if self.verbose { usize::MAX } else { LINES_MAX };
        for (label, line) in message.details.iter().take(limit) {
            text.push_str(&format!("  {label:<7}: {}\n", message_line(line)));
        }
        if message.details.len() > limit {
            let more = message.details.len() - limit;
            text.push_str(&format!("  and {more} more (-v)\n"));
        }
        self.say(&text);
    }

    /// Writes lines to standard error as they are.
    pub fn say(&mut self, text: &str) {
        // There is nobody left to tell if this fails.
        let _ = self.io.err.write_all(text.as_bytes());
    }

    /// Tells the user why there is no answer, and returns the exit status that says so.
    ///
    /// With `-o json` the output gets `vmig.error/1`, where that has a word for it.
    pub fn report(&mut self, failure: &Failure) -> Exit {
        if let Some(message) = failure.message() {
            self.tell(&message);
        }
        if let (true, Failure::Input(error)) = (self.json, failure) {
            // If this fails too, the message above is what is left.
            let _ = self.document(&ErrorDocument::from(error));
        }
        failure.exit()
    }

    /// Tells the user about an input that could not be read, where the others could.
    pub fn complain(&mut self, error: &Error) {
        self.tell(&failure::input(error));
    }

    /// Whether standard output is a terminal.
    pub fn out_terminal(&self) -> bool {
        self.io.out_terminal
    }

    /// The streams themselves, for data that is no text.
    pub fn streams(&mut self) -> Streams<'_> {
        let watched = self.io.err_terminal && !self.quiet;
        Streams {
            stdin: &mut *self.io.stdin,
            out: &mut *self.io.out,
            progress: watched.then_some(&mut *self.io.err),
        }
    }

    /// Reads the sources and tells what is odd about them.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if standard input is to be read more than once. What cannot be read is
    /// part of the records.
    pub fn sources(&mut self, texts: &[String]) -> Result<Records, Failure> {
        read_once(texts.iter().map(String::as_str))?;
        let records = source::read_for_verdicts(texts, &self.system, self.io.stdin);
        Ok(self.settled(records))
    }

    /// As [`Context::sources`], with the documents themselves.
    ///
    /// # Errors
    ///
    /// As [`Context::sources`].
    pub fn documents(&mut self, texts: &[String]) -> Result<Records, Failure> {
        read_once(texts.iter().map(String::as_str))?;
        let records = source::read(texts, &self.system, self.io.stdin);
        Ok(self.settled(records))
    }

    fn settled(&mut self, records: Vec<Record>) -> Records {
        let mut records = ManuallyDrop::new(records);
        let stale = source::settle(&mut records);
        let odd = records.iter().flat_map(|record| &record.warnings);
        self.warnings(odd.chain(&stale));
        records
    }

    /// Reads the list and the sources that the command line names.
    ///
    /// # Errors
    ///
    /// As [`Context::list`] and [`Context::sources`].
    pub fn list_and_sources(
        &mut self,
        from: &FromList,
        texts: &[String],
    ) -> Result<(List, Records), Failure> {
        let all = texts.iter().chain([&from.list]);
        read_once(all.map(String::as_str))?;
        Ok((self.list(from)?, self.sources(texts)?))
    }

    /// Reads the sources of a fleet: as [`Context::sources`], and what is too old cannot be read.
    ///
    /// # Errors
    ///
    /// As [`Context::sources`].
    pub fn narrowed(
        &mut self,
        texts: &[String],
        args: &Narrow,
    ) -> Result<(Records, fleet::Narrow), Failure> {
        let mut records = self.sources(texts)?;
        if let Some(age) = args.max_age {
            fleet::expire(&mut records, age, self.system.now);
        }
        let narrow = fleet::Narrow {
            kind: args.kind.clone(),
            skip_unreadable: args.skip_unreadable,
        };
        Ok((records, narrow))
    }

    /// Reads the sources of a fleet that has one answer.
    ///
    /// # Errors
    ///
    /// As [`Context::sources`]; [`Failure::Input`] with the first that cannot be read, unless those
    /// are to be left out. All of them are told.
    pub fn fleet(
        &mut self,
        texts: &[String],
        args: &Narrow,
    ) -> Result<(Records, fleet::Narrow), Failure> {
        let (records, narrow) = self.narrowed(texts, args)?;
        let offers = records.iter().flat_map(|record| &record.implementations);
        let included = offers.filter(|offer| narrow.includes(offer));
        let mut errors = included.filter_map(|offer| offer.info.as_ref().err());
        if narrow.skip_unreadable {
            for error in errors {
                self.notice(&failure::input(error));
            }
        } else if let Some(first) = errors.next() {
            for error in errors {
                self.complain(error);
            }
            return Err(first.clone().into());
        }
        Ok((records, narrow))
    }

    /// Reads the list that the command line names.
    ///
    /// # Errors
    ///
    /// [`Failure::Input`].
    pub fn list(&mut self, from: &FromList) -> Result<List, Failure> {
        let text = source::read_list(&from.list, self.io.stdin)?;
        Ok(List::parse(&text, &from.list, from.model.as_deref())?)
    }
}

/// Refuses to read standard input more than once.
///
/// # Errors
///
/// [`Failure::Usage`].
pub fn read_once<'a>(texts: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    if texts.filter(|text| *text == "-").count() > 1 {
        let line = "standard input can be read once only";
        return Err(Failure::Usage(Message::new(line)));
    }
    Ok(())
}
