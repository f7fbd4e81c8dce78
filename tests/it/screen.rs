//! What a terminal shows, through a pseudo-terminal that Python keeps.

use std::process::Command;

use crate::project::Project;

/// Runs a program on a terminal, presses Ctrl-C when it has shown a word, and tells what came of it.
const TERMINAL: &str = r#"
import os, pty, sys, termios
word, program = sys.argv[1].encode(), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = "xterm"
    os.execv(program[0], program)
shown, pressed = b"", False
while True:
    try:
        some = os.read(terminal, 65536)
    except OSError:
        break
    if not some:
        break
    shown += some
    if word in shown and not pressed:
        os.write(terminal, b"\x03")
        pressed = True
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
echoes = bool(termios.tcgetattr(terminal)[3] & termios.ECHOCTL)
print(code, pressed, b"^C" in shown, echoes)
"#;

/// A bar fills its line: a `^C` behind it would move all that follows by a line, and a bar would stay.
#[test]
fn ctrl_c_is_not_shown_among_bars_and_the_terminal_is_left_as_it_was() {
    let project = Project::with("[stages.slow]\nkind = \"command\"\ncommand = [\"sleep\", \"30\"]\n");
    let custem = env!("CARGO_BIN_EXE_custem");
    let mut python = Command::new("python3");
    python.args(["-c", TERMINAL, "slow", custem, "run", "p.toml"]).current_dir(project.path(""));
    let told = python.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&told.stdout), "130 True False True\n", "{told:?}");
}
