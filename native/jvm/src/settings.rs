//! How a file system is mounted, as Java writes it: the other side of the Java class `Settings`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;
use std::time::Duration;

use ferrofuse_protocol::Opcode;
use ferrofuse_session::mount::MountSpec;
use ferrofuse_session::paths::ROOT;
use ferrofuse_session::{Config, Growth, Readdirplus, Rings, Transport};

use crate::error::Error;

/// What a file system names its files by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// A number of its own.
    Inode,
    /// The path.
    Path,
}

/// What to mount, and how to serve it.
pub(crate) struct Settings {
    pub(crate) api: Api,
    pub(crate) mount: MountSpec,
    pub(crate) config: Config,
}

/// Reads `name=value` items, each with a NUL behind it.
///
/// # Errors
/// An item that isn't known or has a value of the wrong kind.
pub(crate) fn parse(text: &[u8]) -> Result<Settings, Error> {
    let mut settings = Settings {
        api: Api::Inode,
        mount: MountSpec::new(""),
        config: Config {
            transport: Transport::Auto,
            ..Config::default()
        },
    };
    let mut threads = Threads::default();
    for item in text.split(|&byte| byte == 0).filter(|item| !item.is_empty()) {
        let (name, value) = split(item)?;
        match name {
            "threads" => threads.most = Some(number(name, value)?),
            "max_idle_threads" => threads.max_idle = Some(number(name, value)?),
            _ => apply(&mut settings, name, value)?,
        }
    }
    settings.config.growth = Some(Growth::new(threads.most, threads.max_idle));
    settings.config.rings = Rings::new(threads.most);
    if settings.api == Api::Path {
        resolve_paths(&mut settings.config);
    }
    if settings.mount.allow_root && settings.config.leaves_opening_to_the_kernel() {
        // Others would be kept out when they open, of which we don't hear.
        return Err(Error::Failed(
            "allow_root can't keep others out of a file system that opens nothing: have it open files and directories, \
             or use allow_other with default_permissions"
                .to_owned(),
        ));
    }
    let without_effect: Vec<String> = settings
        .config
        .without_effect()
        .map(|opcode| opcode.to_string())
        .collect();
    if !without_effect.is_empty() {
        return Err(Error::Failed(format!(
            "operations() has {}, which work on open files, and the file system opens none: leave that out, or put OPEN into it",
            without_effect.join(" and ")
        )));
    }
    Ok(settings)
}

/// Keys are those of `paths`, which has to learn when they are given back.
fn resolve_paths(config: &mut Config) {
    config.root_key = ROOT.0;
    config.operations |= 1 << Opcode::Forget.raw();
}

/// What is said about threads; what isn't depends on what is.
#[derive(Default)]
struct Threads {
    most: Option<usize>,
    max_idle: Option<usize>,
}

fn split(item: &[u8]) -> Result<(&str, &[u8]), Error> {
    let equals = item
        .iter()
        .position(|&byte| byte == b'=')
        .ok_or_else(|| unknown(item))?;
    let name = std::str::from_utf8(&item[..equals]).map_err(|_| unknown(item))?;
    Ok((name, &item[equals + 1..]))
}

fn apply(settings: &mut Settings, name: &str, value: &[u8]) -> Result<(), Error> {
    let Settings { api, mount, config } = settings;
    match name {
        "api" => *api = named_api(value)?,
        "point" => mount.point = OsStr::from_bytes(value).into(),
        "fsname" => mount.fsname = OsStr::from_bytes(value).into(),
        "subtype" => mount.subtype = String::from_utf8_lossy(value).into_owned(),
        "allow_other" => mount.allow_other = true,
        "allow_root" => mount.allow_root = true,
        "default_permissions" => mount.default_permissions = true,
        "ro" => mount.read_only = true,
        "dev" => mount.dev = true,
        "suid" => mount.suid = true,
        "auto_unmount" => mount.auto_unmount = true,
        "max_read" => mount.max_read = Some(number(name, value)?),
        "root" => config.root_key = number::<i64>(name, value)? as u64,
        "operations" => config.operations = number::<i64>(name, value)? as u64,
        "negative_timeout" => config.negative_timeout = Duration::from_nanos(number(name, value)?),
        "max_write" => config.max_write = number(name, value)?,
        "max_background" => {
            config.max_background = number(name, value)?;
            // The kernel's own proportion.
            config.congestion_threshold = (config.max_background / 4 * 3).max(1);
        }
        "uid" => config.uid = Some(number(name, value)?),
        "gid" => config.gid = Some(number(name, value)?),
        "umask" => config.umask = Some(number(name, value)?),
        "direct_io" => config.direct_io = true,
        "kernel_cache" => config.kernel_cache = true,
        "auto_cache" => config.auto_cache = true,
        "cache_symlinks" => config.cache_symlinks = true,
        "readdirplus" => config.readdirplus = readdirplus(value)?,
        "writeback_cache" => config.writeback_cache = true,
        "metrics" => config.metrics = true,
        "slow" => config.slow_after = Some(Duration::from_nanos(number(name, value)?)),
        "clone_fd" => config.clone_fd = true,
        "idle_spin" => config.idle_spin = Duration::from_nanos(number(name, value)?),
        "transport" => config.transport = transport(value)?,
        _ => return Err(unknown(name.as_bytes())),
    }
    Ok(())
}

fn named_api(value: &[u8]) -> Result<Api, Error> {
    match value {
        b"inode" => Ok(Api::Inode),
        b"path" => Ok(Api::Path),
        _ => Err(Error::Failed(format!(
            "setting api={}: inode or path",
            String::from_utf8_lossy(value)
        ))),
    }
}

fn transport(value: &[u8]) -> Result<Transport, Error> {
    match value {
        b"auto" => Ok(Transport::Auto),
        b"dev" => Ok(Transport::Dev),
        b"uring" => Ok(Transport::Uring),
        _ => Err(Error::Failed(format!(
            "setting transport={}: auto, dev or uring",
            String::from_utf8_lossy(value)
        ))),
    }
}

fn readdirplus(value: &[u8]) -> Result<Readdirplus, Error> {
    match value {
        b"auto" => Ok(Readdirplus::Auto),
        b"always" => Ok(Readdirplus::Always),
        b"never" => Ok(Readdirplus::Never),
        _ => Err(Error::Failed(format!(
            "setting readdirplus={}: auto, always or never",
            String::from_utf8_lossy(value)
        ))),
    }
}

fn number<T: FromStr>(name: &str, value: &[u8]) -> Result<T, Error> {
    let text = String::from_utf8_lossy(value);
    text.parse()
        .map_err(|_| Error::Failed(format!("setting {name}={text}: not a number in the range that fits")))
}

fn unknown(item: &[u8]) -> Error {
    Error::Failed(format!(
        "setting {}: unknown to this native library",
        String::from_utf8_lossy(item)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_reach_mount_and_session() {
        let settings = parse(
            b"point=/mnt/\xff\0root=-1\0operations=-2\0ro=\0max_write=8192\0uid=4294967295\0metrics=\0slow=2000000\0idle_spin=30000\0",
        )
        .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(settings.mount.point.as_os_str().as_bytes(), b"/mnt/\xff");
        assert_eq!(settings.api, Api::Inode);
        assert!(settings.mount.read_only && !settings.mount.allow_other);
        assert_eq!(settings.config.root_key, u64::MAX);
        assert_eq!(settings.config.operations, u64::MAX - 1);
        assert_eq!(settings.config.uid, Some(u32::MAX));
        assert!(settings.config.metrics);
        assert_eq!(settings.config.slow_after, Some(Duration::from_millis(2)));
        assert_eq!(settings.config.idle_spin, Duration::from_micros(30));
    }

    #[test]
    fn a_file_system_by_path_is_told_of_forgotten_nodes_and_has_the_root_that_paths_have() {
        let settings = parse(b"api=path\0root=7\0operations=0\0").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(settings.api, Api::Path);
        assert_eq!(settings.config.root_key, ROOT.0);
        assert_eq!(settings.config.operations, 1 << Opcode::Forget.raw());
    }

    #[test]
    fn what_is_cached_is_what_was_asked_for() {
        let settings =
            parse(b"readdirplus=never\0auto_cache=\0cache_symlinks=\0").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(settings.config.readdirplus, Readdirplus::Never);
        assert!(settings.config.auto_cache && settings.config.cache_symlinks);
        let plain = parse(b"").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(plain.config.readdirplus, Readdirplus::Auto);
        assert!(!plain.config.auto_cache && !plain.config.cache_symlinks);
    }

    #[test]
    fn requests_arrive_as_was_asked_for() {
        for (text, transport) in [
            (&b""[..], Transport::Auto),
            (b"transport=dev\0", Transport::Dev),
            (b"transport=uring\0", Transport::Uring),
        ] {
            let settings = parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(settings.config.transport, transport);
            assert_eq!(settings.config.rings, Rings::default());
        }
        let settings = parse(b"threads=1\0").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(settings.config.rings.most, 1);
    }

    #[test]
    fn threads_are_those_asked_for_or_as_many_as_suit_the_machine() {
        let growth = |text: &[u8]| {
            parse(text)
                .ok()
                .and_then(|settings| settings.config.growth)
                .expect("set")
        };
        let asked = growth(b"max_idle_threads=3\0threads=40\0");
        assert_eq!((asked.instant, asked.most, asked.max_idle), (40, 40, 3));
        let free = growth(b"point=/mnt\0");
        assert!((4..=16).contains(&free.instant) && free.most == 64, "{free:?}");
        assert_eq!(free.max_idle, free.instant);
        assert_eq!(growth(b"threads=1\0").least, 1);
    }

    #[test]
    fn who_may_open_is_not_left_to_the_kernel_under_allow_root() {
        let operations = |opcodes: &[Opcode]| {
            let bits: u64 = opcodes.iter().map(|opcode| 1 << opcode.raw()).sum();
            parse(format!("allow_root=\0operations={bits}\0").as_bytes())
        };
        assert!(operations(&[Opcode::Read, Opcode::Open, Opcode::Readdir, Opcode::Opendir]).is_ok());
        for unopened in [Opcode::Read, Opcode::Readdir] {
            let error = operations(&[unopened]).err().expect("refused").to_string();
            assert!(
                error.contains("allow_root") && error.contains("default_permissions"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_needs_open_files_is_refused_by_name_where_none_is_opened() {
        let operations = |opcodes: &[Opcode]| {
            let bits: u64 = opcodes.iter().map(|opcode| 1 << opcode.raw()).sum();
            parse(format!("operations={bits}\0").as_bytes())
        };
        let refused = |opcodes: &[Opcode]| operations(opcodes).err().expect("refused").to_string();
        let both = refused(&[Opcode::Read, Opcode::Poll, Opcode::CopyFileRange]);
        assert!(both.contains("has COPY_FILE_RANGE and POLL,"), "{both}");
        let one = refused(&[Opcode::Write, Opcode::Opendir, Opcode::Poll]);
        assert!(one.contains("has POLL,") && one.contains("OPEN"), "{one}");
        for opens in [Opcode::Open, Opcode::Create, Opcode::Tmpfile] {
            assert!(operations(&[Opcode::Read, Opcode::Poll, Opcode::CopyFileRange, opens]).is_ok());
        }
        assert!(
            operations(&[Opcode::Readdir, Opcode::Poll]).is_ok(),
            "there are no files"
        );
        assert!(operations(&[Opcode::Read, Opcode::Lseek]).is_ok());
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (text, part) in [
            (&b"max_write=big\0"[..], "max_write=big"),
            (b"colour=red\0", "colour"),
            (b"api=fd\0", "api=fd"),
            (b"readdirplus=no\0", "readdirplus=no"),
            (b"transport=tcp\0", "transport=tcp"),
            (b"x\0", "x"),
        ] {
            let error = parse(text).err().expect("refused").to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
