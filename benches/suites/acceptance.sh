#!/bin/bash
# Everyday programs on a mount, of the memory file system unless told otherwise: git, tar, sha256sum, ls.
#
# usage: acceptance.sh CLONE      CLONE: a git repository, for example this project
#
# exit 0: every step passed. Environment: see mounted.sh; STEP_SECONDS (300) bounds each step.
. "$(dirname "${BASH_SOURCE[0]}")/mounted.sh"
[ $# = 1 ] && git -C "$1" rev-parse --git-dir > /dev/null 2>&1 || fail "usage: acceptance.sh CLONE (a git repository)"
own_name_spaces "$@"
REPOSITORY=$(cd "$1" && pwd)

failures=0

# step NAME FUNCTION: runs the function in a shell of its own, with a deadline, and says how it went and how long it took.
step() {
    local name=$1 start end
    start=$(date +%s%N)
    if timeout "${STEP_SECONDS:-300}" "$BASH" -eu -o pipefail -c "$(declare -f "$2"); $2" > "$WORKSPACE/step.log" 2>&1
    then local verdict=ok
    else local verdict="FAILED ($?)"; failures=$((failures + 1))
    fi
    end=$(date +%s%N)
    printf '%-42s %-12s %6d ms\n' "$name" "$verdict" $(((end - start) / 1000000))
    [ "$verdict" = ok ] || tail -n 20 "$WORKSPACE/step.log"
}

git_clone() { git clone --quiet "file://$REPOSITORY" "$MNT/clone" && git -C "$MNT/clone" status --porcelain; }
git_gc() { git -C "$MNT/clone" gc --quiet --prune=now; }
git_fsck() { git -C "$MNT/clone" fsck --full --strict; }
tar_in() { mkdir "$MNT/include" && tar -C /usr/include -cf - . | tar -C "$MNT/include" -xf -; }
tar_out() { mkdir "$WORKSPACE/out" && tar -C "$MNT/include" -cf - . | tar -C "$WORKSPACE/out" -xf -; }
tree_diff() {
    diff -r --no-dereference /usr/include "$MNT/include"
    diff -r --no-dereference /usr/include "$WORKSPACE/out"
}
random_data() {
    # what was read is hashed on its way in, so that the source needs no copy
    head -c 1G /dev/urandom | tee "$MNT/random" | sha256sum | cut -d ' ' -f 1 > "$WORKSPACE/sum"
    [ "$(stat -c %s "$MNT/random")" = $((1 << 30)) ]
    echo 3 > /proc/sys/vm/drop_caches
    echo "$(cat "$WORKSPACE/sum")  $MNT/random" | sha256sum --check
}
many_entries() { mkdir "$MNT/many" && cd "$MNT/many" && seq -f 'entry-%06.0f' 100000 | xargs touch; }
list_entries() {
    echo 2 > /proc/sys/vm/drop_caches
    [ "$(ls -l "$MNT/many" | grep -c ' entry-')" = 100000 ]
}
remove_all() { rm -rf "$MNT"/* && [ -z "$(ls -A "$MNT")" ]; }

export WORKSPACE REPOSITORY MNT=$WORKSPACE/mnt HOME=$WORKSPACE
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
mount_ferrofuse "$FERROFUSE_WHAT" "$MNT" ""

step "git clone" git_clone
step "git gc" git_gc
step "git fsck" git_fsck
step "tar of /usr/include in" tar_in
step "tar of /usr/include out" tar_out
step "diff -r of both with /usr/include" tree_diff
step "1 GiB of random data, sha256" random_data
step "100,000 files made" many_entries
step "ls -l of 100,000 entries, caches dropped" list_entries
step "rm -rf of everything" remove_all
unmount_ferrofuse || fail "the server ended with exit code $?"
[ $failures = 0 ] || fail "$failures steps failed"
