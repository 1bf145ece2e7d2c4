"""What compare.py needs on the machine, and how Debian's packages bring it.

It installs nothing unless told to, and never more than the packages named here.
"""
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from side_by_side import Failure, run

APT_SECONDS = 600
JVMS = Path("/usr/lib/jvm")


@dataclass(frozen=True)
class Need:
    """Something that has to be there; package is Debian's name for it, empty if Debian has none."""
    what: str
    package: str
    present: Callable[[], bool]
    remedy: str = ""


def executable(name, package, remedy=""):
    return Need(name, package, lambda: shutil.which(name) is not None, remedy)


def library(soname, package):
    def present():
        return f"{soname} " in run(["ldconfig", "-p"], 10)
    return Need(soname, package, present)


def developed_with(name, package):
    def present():
        return subprocess.run(["pkg-config", "--exists", name], check=False, timeout=10).returncode == 0
    return Need(f"the headers of {name}", package, present)


COMPILER = executable("cc", "gcc")
PKG_CONFIG = executable("pkg-config", "pkg-config")
FIO = executable("fio", "fio")
MAVEN = executable("mvn", "maven")
LIBFUSE_HEADERS = developed_with("fuse3", "libfuse3-dev")
LIBFUSE_3 = library("libfuse3.so.3", "libfuse3-3")
LIBFUSE_2 = library("libfuse.so.2", "libfuse2")
JDK = executable("javac", "openjdk-17-jdk-headless")
CARGO = executable("cargo", "", "install Rust 1.85 or newer with rustup")
UNMOUNT = executable("umount", "mount")


class Installer:
    """Has apt-get install packages, or tells that it could."""

    def __init__(self, allowed, say):
        self.allowed = allowed
        self.say = say
        self.updated = False

    def require(self, needs):
        """Raises Failure with the remedy if something is missing in the end."""
        missing = [need for need in needs if not need.present()]
        packages = [need.package for need in missing if need.package]
        if packages and self.allowed:
            self.install(packages)
            missing = [need for need in missing if not need.present()]
        for need in missing:
            if need.remedy:
                raise Failure(f"{need.what} is missing: {need.remedy}")
        if missing:
            names = " ".join(need.package for need in missing)
            raise Failure(f"missing: {', '.join(need.what for need in missing)}; apt-get install {names}"
                          + ("" if self.allowed else ", which --install does"))

    def install(self, packages):
        """Raises Failure if apt-get does."""
        self.say(f"installing {' '.join(packages)}")
        if not shutil.which("apt-get"):
            raise Failure(f"no apt-get to install {' '.join(packages)} with: install what your system calls so")
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        if not self.updated:
            run(["apt-get", "update", "-q"], APT_SECONDS)
            self.updated = True
        run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages], APT_SECONDS)


def jdk_version(home):
    """The feature release of a JDK (17, 25), 0 of anything else."""
    try:
        found = re.search(r'^JAVA_VERSION="(\d+)', (home / "release").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found.group(1)) if found and (home / "bin/javac").exists() else 0


def newest_jdk():
    """(feature release, home) of the newest JDK at the usual places; (0, None) if there is none."""
    places = list(JVMS.iterdir()) if JVMS.is_dir() else []
    places += [Path(os.environ[name]) for name in ("JAVA_HOME", "JDK_HOME") if name in os.environ]
    return max(((jdk_version(home), home) for home in places), key=lambda each: each[0], default=(0, None))


def home_of(java):
    """The JDK that a java command belongs to."""
    found = shutil.which(java)
    if not found:
        raise Failure(f"{java} is missing: name the java of a JDK")
    return Path(found).resolve().parent.parent


def javac_of(home):
    javac = home / "bin/javac"
    if not javac.exists():
        raise Failure(f"{javac} is missing: name the java of a JDK, not of a JRE")
    return javac
