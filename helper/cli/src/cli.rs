// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The command line: what may be typed. Nothing here does anything.

mod fleet;

use std::path::PathBuf;

use clap::{
    ArgAction,
    ArgGroup,
    Args,
    Parser,
    Subcommand,
    ValueEnum, //
};

pub use self::fleet::{
    Baseline,
    Compare,
    Label,
    LabelFormat,
    Narrow,
    Plan, //
};

/// Migration parameters of mediated devices: read, check, stage, create.
#[derive(Debug, Parser)]
#[command(
    name = "vmig",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(after_help = EXIT_STATUS)]
pub struct Cli {
    /// Options of every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_STATUS: &str = "\
Exit status:
  0    yes, or done
  1    the answer is no, or a rule refused before anything was written
  2    the command line makes no sense
  3    an input was not understood
  4    the environment refused: busy, full, not permitted, gone, no destination at all
  5    failed after the first write, everything is undone
  6    failed, and undoing failed too
  7    only possible, where --strict asks for certainty
  70   a bug in vmig
  130  interrupted, everything is undone";

/// Options of every verb.
#[derive(Args, Debug)]
pub struct Global {
    /// Form of the output; `text` is for people and may change
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORM"
    )]
    pub output: Output,
    /// What stands for /sys
    #[arg(long, global = true, value_name = "DIR", default_value = "/sys")]
    pub sysfs_root: PathBuf,
    /// When to use colour
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN"
    )]
    pub color: Color,
    /// No warnings and no progress
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List the mdev types of this host: models, free instances, staged entries
    Types(Types),
    /// Show the migration information of sources
    Info(Info),
    /// Print the migration parameter list of a device or vfio-user program
    Params(Params),
    /// Say whether a migration parameter list is accepted, and every reason why not
    Check(Check),
    /// Compare two sources by what they accept, or two lists by age
    Compare(Compare),
    /// Find parameters for a new device that every host accepts
    Baseline(Baseline),
    /// Rank destinations, with the fewest changes that would make a list fit
    Plan(Plan),
    /// Name groups of implementations, for schedulers
    Label(Label),
    /// Print the commands that carry a list over to a destination
    Commands(Commands),
    /// Hand parameters to a type, for a device that does not exist yet
    Stage(Stage),
    /// Forget staged parameters
    Unstage(Unstage),
    /// Create a device with the parameters of a list, or none at all
    Create(Create),
    /// Change parameters of a device
    Set(Set),
    /// Remove a device that is not in use
    Remove(Remove),
    /// Save, load or show the state of a device
    State(State),
    /// Check whether a VFIO driver does what the migration uAPI promises
    Conform(Conform),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print manual pages
    Man(Man),
}

/// A migration parameter list that must be given.
#[derive(Args, Debug)]
pub struct FromList {
    /// Migration parameter list: text or vmig.params/1, `-` is standard input
    #[arg(long = "from", value_name = "LIST")]
    pub list: String,
    /// Device model of a text list that does not begin with one
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
}

const SOURCES: &str =
    "Where to read: a directory of an mdev type, PARENT/TYPE, a file of migration \
information or inventories, a directory of such files (*.json), `-` for standard input, \
exec:PROGRAM for a program that prints its own; nothing: this host";

/// Options of `types`.
#[derive(Args, Debug)]
pub struct Types {}

/// Options of `params`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").args(["device", "pid", "program"]).required(true))]
pub struct Params {
    #[doc = "The device."]
    #[arg(value_name = "DEVICE", help = DEVICE)]
    pub device: Option<String>,
    /// Of the vfio-user program that runs as this process
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Of a vfio-user program that would be started so
    #[arg(last = true, value_name = "PROGRAM")]
    pub program: Vec<String>,
}

/// Options of `info`.
#[derive(Args, Debug)]
pub struct Info {
    #[doc = "Sources."]
    #[arg(value_name = "SOURCE", help = SOURCES)]
    pub sources: Vec<String>,
}

/// Options of `check`.
#[derive(Args, Debug)]
pub struct Check {
    /// The list.
    #[command(flatten)]
    pub from: FromList,
    /// Every destination must accept the list, not just any
    #[arg(long)]
    pub all: bool,
    /// Exit with 7 if the answer is only "possible"
    #[arg(long)]
    pub strict: bool,
    #[doc = "Sources."]
    #[arg(value_name = "SOURCE", help = SOURCES)]
    pub sources: Vec<String>,
}

const DEVICE: &str = "UUID of a mediated device, or its directory in sysfs";

const DESTINATION: &str = "mdev type of this host: PARENT/TYPE, or the type's directory";

/// Options of `commands`.
#[derive(Args, Debug)]
pub struct Commands {
    /// The list.
    #[command(flatten)]
    pub from: FromList,
    /// Source with the one destination
    #[arg(long, value_name = "DESTINATION")]
    pub to: String,
    /// Whose commands to print
    #[arg(long, value_enum, default_value = "vmig", value_name = "TOOL")]
    pub tool: Tool,
    /// UUID of the new device; without it each run of the commands makes a new one
    #[arg(long, value_name = "UUID")]
    pub uuid: Option<String>,
    /// The contents of the new device are to survive close
    #[arg(long)]
    pub keep: bool,
    /// The tool is to remember the device, so that it can be started again: mdevctl, virsh
    #[arg(long)]
    pub define: bool,
    /// Interface through which QEMU is to open the device; nothing: group, which all versions know
    #[arg(long, value_enum, value_name = "INTERFACE")]
    pub attach: Option<Interface>,
    /// Where QEMU is to put the device on its PCI bus, as at the source: SLOT or SLOT.FUNCTION, in
    /// hexadecimal
    #[arg(long, value_name = "ADDRESS")]
    pub addr: Option<String>,
    /// Run the command, if it is a program, in place of vmig
    #[arg(long, requires = "tool", conflicts_with = "output")]
    pub exec: bool,
}

/// Whose commands to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tool {
    /// vmig itself.
    Vmig,
    /// mdevctl.
    Mdevctl,
    /// libvirt, by its command virsh.
    Virsh,
    /// vmig, and then QEMU, which waits for the migration.
    Qemu,
    /// The destination: a vfio-user program, `exec:PROGRAM ARGUMENTS`.
    Program,
}

/// Where the values of a new device come from.
#[derive(Args, Debug)]
pub struct Values {
    /// Migration parameter list: text or vmig.params/1, `-` is standard input
    #[arg(long, value_name = "LIST", conflicts_with = "new")]
    pub from: Option<String>,
    /// Device model of a text list that does not begin with one
    #[arg(long, value_name = "MODEL", requires = "from")]
    pub model: Option<String>,
    /// The initial values of the type
    #[arg(long)]
    pub new: bool,
}

impl Values {
    /// The list, if one is given.
    pub fn from(&self) -> Option<FromList> {
        from(self.from.as_ref(), self.model.as_ref())
    }
}

fn from(list: Option<&String>, model: Option<&String>) -> Option<FromList> {
    Some(FromList {
        list: list?.clone(),
        model: model.cloned(),
    })
}

/// Options of `stage`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("values").args(["from", "new"]).required(true))]
pub struct Stage {
    #[doc = "The type."]
    #[arg(value_name = "DESTINATION", help = DESTINATION)]
    pub destination: String,
    /// UUID of the device that is to be; without it one is made and printed
    #[arg(value_name = "UUID")]
    pub uuid: Option<String>,
    /// The values.
    #[command(flatten)]
    pub values: Values,
    /// Print what would be written
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `unstage`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").args(["uuids", "all"]).required(true))]
pub struct Unstage {
    /// UUIDs of the entries
    #[arg(value_name = "UUID")]
    pub uuids: Vec<String>,
    /// All entries
    #[arg(long)]
    pub all: bool,
    #[doc = "The type."]
    #[arg(
        long,
        value_name = "DESTINATION",
        help = "Only at this mdev type of this host"
    )]
    pub at: Option<String>,
    /// Print what would be written
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `create`.
#[derive(Args, Debug)]
pub struct Create {
    #[doc = "The type."]
    #[arg(value_name = "DESTINATION", help = DESTINATION)]
    pub destination: String,
    /// UUID of the device; without it one is made and printed
    #[arg(value_name = "UUID")]
    pub uuid: Option<String>,
    /// The values.
    #[command(flatten)]
    pub values: Values,
    /// The contents survive close
    #[arg(long)]
    pub keep: bool,
    /// Print what would be written
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `set`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").args(["params", "from", "keep"]).required(true).multiple(true))]
pub struct Set {
    #[doc = "The device."]
    #[arg(value_name = "DEVICE", help = DEVICE)]
    pub device: String,
    /// Parameters and their new values
    #[arg(value_name = "NAME=VALUE", conflicts_with = "from")]
    pub params: Vec<String>,
    /// All parameters as this list says: text or vmig.params/1, `-` is standard input
    #[arg(long, value_name = "LIST")]
    pub from: Option<String>,
    /// Device model of a text list that does not begin with one
    #[arg(long, value_name = "MODEL", requires = "from")]
    pub model: Option<String>,
    /// Whether the contents survive close
    #[arg(long, value_enum, value_name = "on|off", hide_possible_values = true)]
    pub keep: Option<Switch>,
    /// Print what would be written
    #[arg(long)]
    pub dry_run: bool,
}

impl Set {
    /// The list, if one is given.
    pub fn from(&self) -> Option<FromList> {
        from(self.from.as_ref(), self.model.as_ref())
    }
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// Options of `remove`.
#[derive(Args, Debug)]
pub struct Remove {
    #[doc = "The device."]
    #[arg(value_name = "DEVICE", help = DEVICE)]
    pub device: String,
    /// Print what would be written
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `state`.
#[derive(Args, Debug)]
pub struct State {
    /// What to do.
    #[command(subcommand)]
    pub verb: StateVerb,
}

/// The verbs of `state`.
#[derive(Debug, Subcommand)]
pub enum StateVerb {
    /// Copy the state of a device to a file; the device keeps it
    Save(StateFile),
    /// Give a device the state in a file
    Load(StateFile),
    /// Show what a state file of a vmig device holds
    Show(StateShow),
}

/// Options of `state save` and `state load`.
#[derive(Args, Debug)]
pub struct StateFile {
    /// UUID of a mediated device, the directory of any VFIO device in sysfs, or vfio-user:SOCKET
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// The file; `-` is standard output or input
    #[arg(value_name = "FILE", default_value = "-")]
    pub file: String,
}

/// Options of `state show`.
#[derive(Args, Debug)]
pub struct StateShow {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: String,
}

/// Options of `conform`.
#[derive(Args, Debug)]
pub struct Conform {
    /// UUID of a mediated device, the directory of any VFIO device in sysfs, or vfio-user:SOCKET
    #[arg(value_name = "DEVICE", required_unless_present = "list")]
    pub device: Option<String>,
    /// Whose statements to check: the state machine of Linux 5.18, or the region before it
    #[arg(long, value_enum, default_value = "all", value_name = "PROTOCOL")]
    pub protocol: Protocol,
    /// Statements to check: numbers and ranges, such as C36,C40-C45; nothing: all
    #[arg(long, value_name = "LIST")]
    pub statement: Option<String>,
    /// Interface to open the device through; nothing: cdev if there is one, else group
    #[arg(long, value_enum, value_name = "INTERFACE")]
    pub attach: Option<Interface>,
    /// Feed the device bad streams, remove it and make it again: not with data that matter
    #[arg(long)]
    pub destructive: bool,
    /// Seconds that one statement may take
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..))]
    pub deadline: u16,
    /// Bad streams of a kind that one statement tries at most, about: fewer where loading is slow. With
    /// fewer, what is tried for a time ends sooner, too
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u16).range(16..))]
    pub tries: u16,
    /// Command that makes the device reconfigure itself while it is in PRE_COPY, for C52
    /// and C53
    #[arg(long, value_name = "COMMAND")]
    pub reconfigure: Option<String>,
    /// Print KTAP
    #[arg(long, conflicts_with = "list")]
    pub ktap: bool,
    /// Print the statements, and check nothing
    #[arg(long)]
    pub list: bool,
    #[doc = "A job, done by this process: for a debugger or a tracer."]
    #[arg(long, hide = true, value_name = "JOB")]
    pub job: Option<String>,
    #[doc = "Jobs that standard input names: a process that `conform` itself has started."]
    #[arg(long, hide = true, conflicts_with = "job")]
    pub jobs: bool,
}

/// A protocol of VFIO migration, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// The migration region of Linux 5.8 to 5.17.
    V1,
    /// The state machine of Linux 5.18 and newer.
    V2,
    /// Both.
    All,
}

/// An interface of the kernel to VFIO devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Interface {
    /// The device's own node, and IOMMUFD.
    Cdev,
    /// The IOMMU group, and a container.
    Group,
}

/// Options of `completions`.
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Options of `man`.
#[derive(Args, Debug)]
pub struct Man {
    /// The verb; nothing: vmig as a whole
    #[arg(value_name = "VERB")]
    pub verb: Vec<String>,
    /// Write all pages into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "verb")]
    pub directory: Option<PathBuf>,
}
