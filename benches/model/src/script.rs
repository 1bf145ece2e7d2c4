//! Operations as a text, one a line, that people read and `model replay` does again. `#` begins a comment.

use std::fmt::Write;

use crate::op::Op;

/// One line per operation.
pub fn print(ops: &[Op]) -> String {
    ops.iter().fold(String::new(), |mut text, op| {
        let _ = writeln!(text, "{op}"); // a String takes everything
        text
    })
}

/// Reads a text again; says in which line something is wrong.
pub fn parse(text: &str) -> Result<Vec<Op>, String> {
    let lines = text.lines().zip(1..);
    let with_ops = lines.filter_map(|(line, number)| {
        let line = line.split('#').next().unwrap_or_default().trim();
        (!line.is_empty()).then_some((line, number))
    });
    with_ops
        .map(|(line, number): (&str, u32)| Op::parse(line).map_err(|problem| format!("line {number}: {problem}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{self, Lacking};
    use crate::words::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_printed_script_is_read_as_the_same_operations(ops in strategy::operations(&Lacking::default(), 50)) {
            prop_assert_eq!(parse(&print(&ops)).expect("it was printed"), ops);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn a_script_looks_like_the_calls() {
        let flags = OpenFlags(libc::O_RDWR | libc::O_CREAT | libc::O_TMPFILE);
        let ops = [
            Op::Open {
                fd: Fd(1),
                path: Text(b"d/\xff #".to_vec()),
                flags,
                mode: Mode(0o644),
            },
            Op::Utimens {
                path: Text::from(""),
                atime: Time::Omit,
                mtime: Time::At(-1, 5),
                flags: AtFlags(0),
            },
        ];
        let text = "open fd1 d/%ff%20%23 O_TMPFILE|O_RDWR|O_CREAT 0644\nutimens % omit -1:5 0\n";
        assert_eq!(print(&ops), text);
        assert_eq!(parse(text), Ok(ops.to_vec()));
    }

    #[test]
    fn comments_and_empty_lines_are_skipped() {
        let ops = vec![Op::Close { fd: Fd(0) }, Op::Check {}];
        assert_eq!(parse("# first\n\n  close fd0 # why\n\ncheck"), Ok(ops));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said_with_its_number() {
        for (text, problem) in [
            ("check\nclose fd9", "line 2: fd: fd9 is none of fd0 to fd4"),
            ("close", "line 1: fd is missing"),
            ("check fd0", "line 1: check has no argument for fd0"),
            ("dance", "line 1: there is no operation \"dance\""),
            (
                "open fd0 f O_NONSENSE 0644",
                "line 1: flags: O_NONSENSE is no flag that is known here",
            ),
            (
                "unlink a%4",
                "line 1: path: a%4: two hexadecimal digits belong behind %",
            ),
            ("unlink a%00", "line 1: path: a%00 contains NUL"),
        ] {
            assert_eq!(parse(text), Err(problem.to_string()));
        }
    }
}
