#!/usr/bin/env python3
"""Counts the instructions that the engine takes for a request, and compares them with those on record.

The count is exact and belongs to the program, not to the load of the machine: user-space instructions of one worker's
receive, decode, dispatch and reply, with a file system that does nothing (native/session/benches/instructions.rs).
Fails if a request takes more than the record and its tolerance; --record writes the record anew.
"""
import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RECORD = os.path.join(ROOT, 'benches', 'instructions.json')
REQUESTS = ['read', 'write', 'getattr', 'lookup']
# What both numbers of requests have in common, a worker's beginning and end, falls out of the difference.
FEW, MANY = 4, 16


def build():
    """The counted program."""
    command = ['cargo', 'bench', '--no-run', '--locked', '--message-format=json-render-diagnostics',
               '-p', 'ferrofuse-session', '--bench', 'instructions']
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode:
        sys.exit('instructions.py: cargo could not build the bench; its messages are above')
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get('executable') and message['target']['name'] == 'instructions':
            return message['executable']
    sys.exit('instructions.py: cargo names no executable of the bench "instructions"')


def count(program, request, number, directory):
    out = os.path.join(directory, f'{request}.{number}')
    command = ['valgrind', '-q', '--tool=callgrind', '--toggle-collect=ferrofuse_counted',
               f'--callgrind-out-file={out}', program, request, str(number)]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    if run.returncode:
        sys.exit(f'instructions.py: {" ".join(command)}\n{run.stderr}')
    with open(out) as file:
        return int(re.search(r'^totals: (\d+)', file.read(), re.M)[1])


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument('--record', action='store_true', help='write what is counted to instructions.json')
    options.add_argument('--program', help='count in this build of the bench instead of building it')
    options.add_argument('--keep', metavar='DIR', help="keep callgrind's files there, for callgrind_annotate")
    options = options.parse_args()
    if not shutil.which('valgrind'):
        sys.exit('instructions.py: there is no valgrind to count with: install it (apt install valgrind)')
    compiler = subprocess.run(['rustc', '--version'], capture_output=True, text=True, check=True).stdout.strip()
    program = options.program or build()
    with tempfile.TemporaryDirectory() as scratch:
        directory = options.keep or scratch
        os.makedirs(directory, exist_ok=True)
        counted = {request: (count(program, request, MANY, directory) - count(program, request, FEW, directory)) / (MANY - FEW)
                   for request in REQUESTS}
    if options.record:
        record = {'machine': platform.machine(), 'compiler': compiler, 'tolerance': 0.03,
                  'instructions': {request: round(counted[request], 1) for request in REQUESTS}}
        with open(RECORD, 'w') as file:
            json.dump(record, file, indent=2)
            file.write('\n')
    with open(RECORD) as file:
        record = json.load(file)
    if record['machine'] != platform.machine():
        sys.exit(f"instructions.py: the record is of {record['machine']}, this is {platform.machine()}: nothing to compare with")
    if record['compiler'] != compiler:
        print(f"the record was made with {record['compiler']}, this is {compiler}: other counts may be the compiler's")
    worse = False
    for request in REQUESTS:
        before, now = record['instructions'][request], counted[request]
        verdict = ''
        if now > before * (1 + record['tolerance']):
            worse, verdict = True, '  MORE THAN THE TOLERANCE'
        elif now < before * (1 - record['tolerance']):
            verdict = '  fewer: keep it by --record'
        print(f'{request:8} {now:8.1f} instructions, {before:8.1f} on record ({now / before:.3f}){verdict}')
    if worse:
        sys.exit('instructions.py: a request takes more instructions than before: find out why '
                 '(--keep DIR, callgrind_annotate), or say in the commit what they buy and --record')


if __name__ == '__main__':
    main()
