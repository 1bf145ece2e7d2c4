#!/bin/bash
# Random operations on a mount and on a tmpfs side by side (benches/model), in each configuration: the memory file system
# by inode and by path; cached, direct_io, writeback_cache, and without any timeouts.
#
# usage: model.sh [OPTION VALUE ...]      for each configuration, as "model run" has them; exit 0: nothing differed
#
#   model.sh                              the short form: MODEL_SECONDS (3) in each
#   model.sh --seconds 600 --seed 7       a longer one, which can be repeated
#
# A sequence in which something differs is simplified and printed as a script for "model replay". MODEL_ONLY, a pattern
# such as "path *", chooses among the configurations; MODEL_PROFILE (release) is cargo's. Environment: see mounted.sh;
# FERROFUSE_WHAT, if it is not memory, is run in place of both kinds, in the configurations "given *". What it mounts should
# lie on a tmpfs, as a mirror of one does: other file systems give directories other sizes.
. "$(dirname "${BASH_SOURCE[0]}")/mounted.sh"
own_name_spaces "$@"

PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
PROFILE=${MODEL_PROFILE:-release}
(cd "$ROOT" && cargo build --quiet --profile "$PROFILE" --locked -p ferrofuse-model) || fail "cargo build failed"
MODEL=${CARGO_TARGET_DIR:-$ROOT/target}/${PROFILE/dev/debug}/ferrofuse-model
TESTS=$ROOT/java/cli/build/classes/java/test
[ -d "$TESTS" ] || fail "$TESTS is missing: gradle testClasses"

[ $# != 0 ] || set -- --seconds "${MODEL_SECONDS:-3}"
failed=0

# Both sides have the same options: nosuid and nodev are a mount's default.
mkdir "$WORKSPACE/host"
mount -t tmpfs -o nosuid,nodev,size=2g tmpfs "$WORKSPACE/host" || fail "no tmpfs"
chmod 0755 "$WORKSPACE"

# configuration NAME WHAT OPTIONS ARGUMENTS
configuration() {
    local name=$1 what=$2 options=$3 code=0
    shift 3
    # shellcheck disable=SC2053
    [[ "$name" == ${MODEL_ONLY:-*} ]] || return 0
    echo "== $name"
    FERROFUSE_CLASS_PATH=$TESTS mount_ferrofuse "$what" "$WORKSPACE/mnt" \
        "allow_other,default_permissions${options:+,$options}"
    "$MODEL" run --host "$WORKSPACE/host" --mount "$WORKSPACE/mnt" --kind $side "$@" || code=$?
    [ $code -le 1 ] || fail "\"model run\" ended with exit code $code"
    [ $code = 0 ] || failed=1
    kill -0 "$SERVER" || fail "the server died"
    unmount_ferrofuse || fail "the server ended with exit code $?"
}

kinds="inode path"
[ "$FERROFUSE_WHAT" = memory ] || kinds=given
for kind in $kinds; do
    if [ $kind = inode ]; then
        what=memory side=own
    elif [ $kind = given ]; then
        what=$FERROFUSE_WHAT side=own
        case $what,${FERROFUSE_OPTIONS:-} in
        mirror:*,*passthrough*) side=passthrough ;;
        mirror:*) side=mirror ;;
        esac
    else
        what=io.github.ferrofuse.mounted.PathMemory side=path
    fi
    configuration "$kind cached" $what "" "$@"
    configuration "$kind direct_io" $what direct_io "$@"
    configuration "$kind writeback_cache" $what writeback_cache "$@"
    configuration "$kind no timeouts" $what attr_timeout=0,entry_timeout=0 "$@"
done
exit $failed
