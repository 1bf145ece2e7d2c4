#!/usr/bin/env python3
"""Measures with JMH what a call from native code into Java costs, on each JDK that is named.

JMH comes from Maven Central (needs mvn); what is built and downloaded lies in benches/build/jmh and ~/.m2. The table shows
each way as a ratio to the engine's own on the same JDK.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, 'benches', 'build', 'jmh')
VERSION = '1.37'
OWN = 'theEnginesWay'
# JMH with its processor, and what it needs at run time.
ARTIFACTS = [f'org.openjdk.jmh:jmh-core:{VERSION}', f'org.openjdk.jmh:jmh-generator-annprocess:{VERSION}',
             'net.sf.jopt-simple:jopt-simple:5.0.4', 'org.apache.commons:commons-math3:3.6.1']


def must(command, remedy):
    try:
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit(f'run.py: there is no {command[0]}: {remedy}')
    if done.returncode:
        sys.exit(f'run.py: {" ".join(command)} failed: {remedy}\n{done.stdout[-4000:]}{done.stderr[-4000:]}')
    return done.stdout


def jars():
    """Copies of the artifacts."""
    paths = []
    for artifact in ARTIFACTS:
        _, name, version = artifact.split(':')
        path = os.path.join(BUILD, f'{name}-{version}.jar')
        if not os.path.exists(path):
            must(['mvn', '-q', '-B', 'dependency:copy', f'-Dartifact={artifact}', f'-DoutputDirectory={BUILD}'],
                 'install maven, and let it reach Maven Central')
        paths.append(path)
    return paths


def measure(java, class_path, library, options):
    result = os.path.join(BUILD, 'result.json')
    command = [os.path.join(java, 'bin', 'java')]
    release = open(os.path.join(java, 'release')).read()
    version = int(release.split('JAVA_VERSION="')[1].split('"')[0].split('.')[0])
    jvm = f'-Dferrofuse.upcall={library}' + (' --enable-native-access=ALL-UNNAMED' if version >= 22 else '')
    # What can't run on this JDK is left out by name, not found out by failing.
    left_out = [] if version >= 22 else ['-e', 'foreignFunctionStub']
    command += ['-cp', ':'.join(class_path), 'org.openjdk.jmh.Main', 'Upcall', '-jvmArgsAppend', jvm, '-rf', 'json', '-rff', result,
                '-f', str(options.forks), '-wi', str(options.rounds), '-i', str(options.rounds), '-w', '1', '-r', '1', '-foe', 'true'] + left_out
    must(command, 'see its output')
    with open(result) as file:
        rows = {row['benchmark'].rsplit('.', 1)[1]: row['primaryMetric'] for row in json.load(file)}
    own = rows[OWN]['score']
    print(f'JDK {version}: {own:.0f} ns in {OWN}, as ratios to it:', flush=True)
    for name, row in sorted(rows.items(), key=lambda pair: pair[1]['score']):
        rounds = [score for fork in row['rawData'] for score in fork]
        low, high = min(rounds), max(rounds)
        print(f'  {name:34} {row["score"] / own:8.2f}  [{low / own:.2f}-{high / own:.2f}]')
    if left_out:
        print('  foreignFunctionStub                not there: it came with Java 22')


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument('--java', action='append', metavar='HOME', help="a JDK's directory, 17 or newer; may be repeated")
    options.add_argument('--forks', type=int, default=3)
    options.add_argument('--rounds', type=int, default=5, help='of a second each, to warm up and to measure')
    options = options.parse_args()
    javac = shutil.which('javac')
    if not javac and not options.java:
        sys.exit('run.py: there is no javac: install a JDK, or name one by --java')
    homes = options.java or [os.path.dirname(os.path.dirname(os.path.realpath(javac)))]
    os.makedirs(BUILD, exist_ok=True)
    must(['cargo', 'build', '--release', '--locked', '-p', 'ferrofuse-upcall'], 'see its messages')
    target = os.environ.get('CARGO_TARGET_DIR') or os.path.join(ROOT, 'target')
    library = os.path.join(target, 'release', 'libferrofuse_upcall.so')
    libraries = jars()
    classes = os.path.join(BUILD, 'classes')
    shutil.rmtree(classes, ignore_errors=True)
    source = os.path.join(HERE, 'java', 'io', 'github', 'ferrofuse', 'benches', 'Upcall.java')
    must([os.path.join(homes[0], 'bin', 'javac'), '--release', '17', '-cp', ':'.join(libraries), '-processorpath', ':'.join(libraries), '-d', classes, source],
         'see its messages')
    for home in homes:
        measure(home, [classes] + libraries, library, options)


if __name__ == '__main__':
    main()
