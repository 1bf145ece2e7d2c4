"""The peers of compare.py: how the flat file system of each library is built, and the command that mounts it.

One that can't be built here is a Failure that says why and what to do. It mounts nothing itself.
"""
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from prerequisites import (CARGO, COMPILER, JDK, JVMS, LIBFUSE_2, LIBFUSE_3, LIBFUSE_HEADERS, MAVEN, PKG_CONFIG,
                           home_of, javac_of, jdk_version, newest_jdk)
from side_by_side import HERE, ROOT, Failure, compile_with_fuse, run, runnable_jar

PEERS = HERE / "peers"
# Downloads and builds are kept from run to run.
CACHE = HERE / "build/compare"
BUILD_SECONDS = 600
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
JFUSE_JDK = 22
RING_SWITCH = Path("/sys/module/fuse/parameters/enable_uring")
# How many threads libfuse 3 serves with at most, which is its default; fuser serves with one unless told.
THREADS = 10


@dataclass
class Built:
    """A peer that can be mounted."""
    name: str
    what: str
    command: Callable  # seconds that names and attributes may be remembered -> command with DIRECTORY in it
    on_ring: bool = False  # has to have an io_uring once it is mounted
    ours: bool = False


@dataclass
class Workshop:
    """What building needs: the user's arguments, who installs, and a directory that goes away afterwards."""
    arguments: object
    installer: object
    workspace: Path

    def jdk(self):
        """The JDK of --java."""
        if self.arguments.java == "java":
            self.installer.require([JDK])
        return home_of(self.arguments.java)

    def libraries(self, peer):
        """The class path of a peer's library, which Maven fetches once."""
        self.installer.require([MAVEN])
        pom, jars = PEERS / peer / "pom.xml", CACHE / peer
        if not jars.exists() or jars.stat().st_mtime < pom.stat().st_mtime:
            fetched = CACHE / f"{peer}.new"
            shutil.rmtree(fetched, ignore_errors=True)
            run(["mvn", "-q", "-B", "-f", str(pom), MAVEN_COPY, f"-DoutputDirectory={fetched}",
                 "-DincludeScope=runtime"], BUILD_SECONDS)
            shutil.rmtree(jars, ignore_errors=True)
            fetched.rename(jars)
            os.utime(jars)
        return f"{jars}/*"

    def compile(self, peer, home):
        """Compiles a Java peer and answers its class path."""
        jars, classes = self.libraries(peer), self.workspace / f"classes-{peer}"
        sources = [str(each) for where in ("java", peer) for each in sorted((PEERS / where).glob("*.java"))]
        run([str(javac_of(home)), "-d", str(classes), "-cp", jars, *sources], BUILD_SECONDS)
        return f"{classes}:{jars}"


def version_in(pom):
    """The version of the one dependency that a peer's pom.xml names."""
    text = (PEERS / pom / "pom.xml").read_text()
    return text[text.index("<dependency>"):].split("<version>")[1].split("<")[0]


def timeouts(seconds):
    return f"entry_timeout={seconds},attr_timeout={seconds}"


def loaded_libfuse_3():
    """The file that a program gets which asks the loader for libfuse3.so.3, with all of its version."""
    for line in run(["ldconfig", "-p"], 10).splitlines():
        if "libfuse3.so.3 " in line:
            return Path(line.split("=> ")[1]).resolve()
    raise Failure("ldconfig does not know libfuse3.so.3: run ldconfig")


def libfuse_3():
    return "libfuse " + loaded_libfuse_3().name.partition(".so.")[2]


def libfuse(shop):
    """The program on C libfuse, and the library's version."""
    shop.installer.require([COMPILER, PKG_CONFIG, LIBFUSE_HEADERS])
    program = shop.workspace / "flat"
    if not program.exists():
        compile_with_fuse(PEERS / "libfuse/flat.c", program)
    return str(program), run(["pkg-config", "--modversion", "fuse3"], 10).strip()


def build_c(shop):
    return one_c(shop, "C libfuse")


def build_control(shop):
    return one_c(shop, "C again")


def one_c(shop, name):
    program, version = libfuse(shop)
    return [Built(name, f"C libfuse {version}, high-level API, /dev/fuse",
                  lambda seconds: [program, "-f", "-o", f"max_threads={THREADS},{timeouts(seconds)}", "DIRECTORY"])]


def build_c_uring(shop):
    program, version = libfuse(shop)
    if "io_uring" not in run([program, "--help"], 10):
        raise Failure(f"libfuse {version} has no -o io_uring: needs 3.18 or newer, built with liburing; PKG_CONFIG_PATH"
                      " names one")
    require_ring_switch()
    return [Built("C io_uring", f"C libfuse {version}, high-level API, FUSE-over-io_uring",
                  lambda seconds: [program, "-f", "-o", f"io_uring,max_threads={THREADS},{timeouts(seconds)}",
                                   "DIRECTORY"],
                  on_ring=True)]


def require_ring_switch():
    if not RING_SWITCH.exists():
        raise Failure(f"Linux {os.uname().release} has no FUSE-over-io_uring: needs 6.14 or newer")
    if RING_SWITCH.read_text().strip() not in ("Y", "1"):
        raise Failure(f"FUSE-over-io_uring is switched off: echo Y > {RING_SWITCH}")


def build_jnr_fuse(shop):
    shop.installer.require([LIBFUSE_2])
    home = shop.jdk()
    class_path = shop.compile("jnr-fuse", home)
    # the last two make writes larger than a page and reads as large as its library allows
    options = "direct_io,hard_remove,big_writes,max_write=131072"
    return [Built("jnr-fuse", f"jnr-fuse {version_in('jnr-fuse')}, libfuse 2, JDK {jdk_version(home)}",
                  lambda seconds: [str(home / "bin/java"), "-cp", class_path, "JnrFlat", "DIRECTORY",
                                   f"{options},{timeouts(seconds)}"])]


def build_jni_fuse(shop):
    shop.installer.require([LIBFUSE_3])
    home = shop.jdk()
    class_path = shop.compile("jni-fuse", home)
    return [Built("JNI-FUSE", f"Alluxio JNI-FUSE {version_in('jni-fuse')}, {libfuse_3()}, JDK {jdk_version(home)}",
                  lambda seconds: [str(home / "bin/java"), "-cp", class_path, "JniFlat", "DIRECTORY",
                                   timeouts(seconds)])]


def build_jfuse(shop):
    shop.installer.require([LIBFUSE_3])
    home = jfuse_jdk(shop)
    class_path = shop.compile("jfuse", home)
    libraries = loaded_libfuse_3().parent
    return [Built("jfuse", f"jfuse {version_in('jfuse')}, {libfuse_3()}, JDK {jdk_version(home)}",
                  lambda seconds: [str(home / "bin/java"), "--enable-native-access=ALL-UNNAMED",
                                   f"-Djava.library.path={libraries}", "-cp", class_path, "JfuseFlat", "DIRECTORY",
                                   timeouts(seconds)])]


def jfuse_jdk(shop):
    if shop.arguments.jfuse_java:
        home = home_of(shop.arguments.jfuse_java)
        if jdk_version(home) < JFUSE_JDK:
            raise Failure(f"{home} is no JDK {JFUSE_JDK} or newer")
        return home
    version, home = newest_jdk()
    if version < JFUSE_JDK and shop.arguments.install:
        try:
            shop.installer.install(["openjdk-25-jdk-headless"])
        except Failure:
            pass  # only newer releases of Debian have it
        version, home = newest_jdk()
    if version < JFUSE_JDK:
        raise Failure(f"needs JDK {JFUSE_JDK} or newer, and the newest in {JVMS} is {version or 'none'}: install one"
                      " (Temurin 25, openjdk-25-jdk-headless), or name its java with --jfuse-java")
    return home


def build_fuser(shop):
    shop.installer.require([CARGO])
    manifest, target = PEERS / "fuser/Cargo.toml", CACHE / "fuser"
    run(["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", str(manifest), "--target-dir",
         str(target)], BUILD_SECONDS)
    version = manifest.read_text().split('fuser = "=')[1].split('"')[0]
    program = str(target / "release/ferrofuse-peer-fuser")
    return [Built("fuser", f"fuser {version} (Rust), {THREADS} threads",
                  lambda seconds: [program, "DIRECTORY", str(THREADS), str(seconds)])]


def flat_jar():
    jars = [jar for jar in (ROOT / "examples/flat/build/libs").glob("*.jar")
            if not jar.stem.endswith(("-sources", "-javadoc"))]
    if len(jars) != 1:
        raise Failure("expected one jar in examples/flat/build/libs: gradle assemble, or name it with --class-path")
    return jars[0]


def build_ours(shop):
    arguments = shop.arguments
    home = shop.jdk()
    class_path = (arguments.class_path or flat_jar()).resolve()
    start = [str(home / "bin/java"), "-jar", runnable_jar(arguments), "mount", "flat", "--class-path", str(class_path),
             "-o"]
    return [ours(start, *named_options(each), arguments.options, jdk_version(home)) for each in arguments.ours or [""]]


def named_options(text):
    """(name of the column, mount options) of an argument of --ours: NAME:OPTIONS, OPTIONS or nothing."""
    name, colon, options = text.partition(":")
    if colon:
        return name, options
    return (f"FerroFuse {text.replace('transport=', '')}" if text else "FerroFuse"), text


def ours(start, name, options, more, version):
    def command(seconds):
        return [*start, ",".join(filter(None, [timeouts(seconds), options, more])), "DIRECTORY"]
    return Built(name, ", ".join(filter(None, ["FerroFuse, flat by inode", options, more, f"JDK {version}"])), command,
                 on_ring="transport=uring" in options, ours=True)


# What --peers takes, in the order of the columns. The first is what ratios are to.
BUILDERS = {"c": build_c, "control": build_control, "c-uring": build_c_uring, "jnr-fuse": build_jnr_fuse,
            "jni-fuse": build_jni_fuse, "jfuse": build_jfuse, "fuser": build_fuser, "ours": build_ours}
USUAL = [key for key in BUILDERS if key != "control"]
