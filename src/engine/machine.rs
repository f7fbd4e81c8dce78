//! What this machine has to share out: cores and memory, within the limits of its control groups.
//!
//! A limit of a group holds for all groups in it, so the smallest on the way up counts. Where nothing can
//! be read there is no limit.

use std::path::{Path, PathBuf};

/// Cores and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Cores that this process may use, at least one.
    pub cores: usize,
    /// Bytes of memory that it may use, where that can be told.
    pub memory: Option<u64>,
}

/// What can be limited, in the words of both versions of control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controller {
    Cpu,
    Memory,
}

impl Machine {
    /// This machine, as this process may use it.
    pub fn here() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::below(Path::new("/"), cores)
    }

    /// A machine of so many cores by the files that describe it, below a folder that stands for `/`.
    fn below(root: &Path, cores: usize) -> Self {
        let folders = |controller| groups(root, controller).into_iter();
        let quota = folders(Controller::Cpu).filter_map(|folder| quota(&folder)).min();
        let limit = folders(Controller::Memory).filter_map(|folder| limit(&folder)).min();
        Self {
            cores: quota.map_or(cores, |quota| quota.min(cores)).max(1),
            memory: installed(root).into_iter().chain(limit).min(),
        }
    }
}

/// The memory that is built in.
fn installed(root: &Path) -> Option<u64> {
    let text = read(&root.join("proc/meminfo"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The folders of the groups that limit this process, its own first and the topmost last.
fn groups(root: &Path, controller: Controller) -> Vec<PathBuf> {
    let own = read(&root.join("proc/self/cgroup")).unwrap_or_default();
    let mounts = read(&root.join("proc/self/mountinfo")).unwrap_or_default();
    let of_line = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let wanted = controllers.is_empty() || controllers.split(',').any(|one| one == controller.name());
        let (top, point) = mounts.lines().filter(|_| wanted).find_map(|line| mount(line, controllers))?;
        Some(upwards(root, Path::new(path), Path::new(top), Path::new(point)))
    };
    own.lines().filter_map(of_line).flatten().collect()
}

impl Controller {
    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }
}

/// Where a line of `mountinfo` puts the groups of these controllers (none: those of version 2): the
/// group at the top of it, and the folder.
fn mount<'a>(line: &'a str, controllers: &str) -> Option<(&'a str, &'a str)> {
    let (place, system) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (top, point) = (place.next()?, place.next()?);
    let mut system = system.split(' ');
    let (kind, options) = (system.next()?, system.nth(1)?);
    let here = match controllers.split(',').next()? {
        "" => kind == "cgroup2",
        first => kind == "cgroup" && options.split(',').any(|option| option == first),
    };
    here.then_some((top, point))
}

/// The folder of a group and of all above it, as far as they are mounted.
fn upwards(root: &Path, group: &Path, top: &Path, point: &Path) -> Vec<PathBuf> {
    let point = root.join(point.strip_prefix("/").unwrap_or(point));
    // In a container the path may be one of the host's, and what is mounted the group itself.
    let within = group.strip_prefix(top).unwrap_or(Path::new(""));
    within.ancestors().map(|part| point.join(part)).collect()
}

/// The whole cores that a group may use, at least one.
fn quota(folder: &Path) -> Option<usize> {
    let (quota, period) = match read(&folder.join("cpu.max")) {
        Some(text) => {
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?)
        }
        None => (number(&folder.join("cpu.cfs_quota_us"))?, number(&folder.join("cpu.cfs_period_us"))?),
    };
    usize::try_from(quota.checked_div(period)?).ok().map(|cores| cores.max(1))
}

/// The memory that a group may use.
fn limit(folder: &Path) -> Option<u64> {
    number(&folder.join("memory.max")).or_else(|| number(&folder.join("memory.limit_in_bytes")))
}

/// A number in a file; `max` and -1 are none.
fn number(path: &Path) -> Option<u64> {
    read(path)?.trim().parse().ok()
}

fn read(path: &Path) -> Option<String> {
    fs_err::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Machine;

    const GB: u64 = 1 << 30;

    /// A machine of 8 cores and 16 GiB with these files besides.
    fn machine(files: &[(&str, &str)]) -> Machine {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        };
        write("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:         1000000 kB\n");
        files.iter().for_each(|(name, text)| write(name, text));
        Machine::below(root.path(), 8)
    }

    const MOUNT_2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const MOUNTS_1: &str = "30 23 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:4 - cgroup cgroup rw,cpu,cpuacct\n31 23 0:27 / /sys/fs/cgroup/memory rw shared:5 - cgroup cgroup rw,memory\n";

    #[test]
    fn without_groups_the_machine_is_all_there_is() {
        assert_eq!(machine(&[]), Machine { cores: 8, memory: Some(16 * GB) });
        let nothing = Machine::below(Path::new("/nowhere/at/all"), 3);
        assert_eq!(nothing, Machine { cores: 3, memory: None });
    }

    #[test]
    fn the_smallest_limit_on_the_way_up_counts() {
        let files = |own: &'static str, parent: &'static str| {
            machine(&[
                ("proc/self/cgroup", "0::/a.slice/b.scope\n"),
                ("proc/self/mountinfo", MOUNT_2),
                ("sys/fs/cgroup/a.slice/b.scope/cpu.max", own),
                ("sys/fs/cgroup/a.slice/cpu.max", parent),
                ("sys/fs/cgroup/a.slice/b.scope/memory.max", "max\n"),
                ("sys/fs/cgroup/a.slice/memory.max", "4294967296\n"),
            ])
        };
        let memory = Some(4 * GB);
        assert_eq!(files("max 100000\n", "max 100000\n"), Machine { cores: 8, memory });
        assert_eq!(files("max 100000\n", "350000 100000\n"), Machine { cores: 3, memory });
        assert_eq!(files("200000 100000\n", "350000 100000\n"), Machine { cores: 2, memory });
        assert_eq!(files("50000 100000\n", "max 100000\n").cores, 1);
        assert_eq!(files("9900000 100000\n", "damaged\n").cores, 8);
        assert_eq!(files("100000 0\n", "\n").cores, 8);
    }

    #[test]
    fn the_first_version_has_a_tree_for_each_controller() {
        let files = |quota: &'static str, limit: &'static str| {
            machine(&[
                ("proc/self/cgroup", "4:memory:/box/one\n3:cpu,cpuacct:/box\n1:name=systemd:/\n0::/\n"),
                ("proc/self/mountinfo", MOUNTS_1),
                ("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", quota),
                ("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "100000\n"),
                ("sys/fs/cgroup/memory/box/one/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/memory/box/memory.limit_in_bytes", limit),
            ])
        };
        assert_eq!(files("-1\n", "9223372036854771712\n"), Machine { cores: 8, memory: Some(16 * GB) });
        assert_eq!(files("400000\n", "2147483648\n"), Machine { cores: 4, memory: Some(2 * GB) });
    }

    #[test]
    fn in_a_container_the_group_may_be_mounted_itself() {
        let mounted = "31 23 0:27 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        for own in ["4:memory:/docker/abc\n", "4:memory:/another/view\n"] {
            let found = machine(&[
                ("proc/self/cgroup", own),
                ("proc/self/mountinfo", mounted),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
            ]);
            assert_eq!(found.memory, Some(GB), "{own}");
        }
    }
}
