#!/bin/sh
# Runs a command as an ordinary user on a machine that lets users mount: /dev/fuse is open to everybody, and fusermount3
# does the mounting. Called by gradle and by tests, as root in a mount namespace of its own (unshare -m): what is changed
# here is seen by nobody else, and ends with the last process.
#
#   as-user.sh STAGE USER [-c FUSE_CONF] [-s PATH NAME]... COMMAND...
#
# STAGE      an empty directory that the user can reach; gets a file system in memory, whose tmp/ and home/ are his
# USER       user and group, by number
# FUSE_CONF  a file to show as /etc/fuse.conf, which is made, and stays empty, if there is none
# PATH NAME  a file or directory to show as STAGE/NAME, wherever it lies
set -eu
stage=$1 user=$2
shift 2

mount -t tmpfs -o mode=755 ferrofuse-user "$stage"
mkdir -m 700 "$stage/tmp" "$stage/home"
chown "$user:$user" "$stage/tmp" "$stage/home"
while :; do
  case $1 in
    -c)
      cp "$2" "$stage/fuse.conf"
      chmod 644 "$stage/fuse.conf"
      [ -e /etc/fuse.conf ] || : >/etc/fuse.conf
      mount --bind "$stage/fuse.conf" /etc/fuse.conf
      shift 2
      ;;
    -s)
      mkdir -p "$(dirname "$stage/$3")"
      if [ -d "$2" ]; then mkdir "$stage/$3"; else : >"$stage/$3"; fi
      mount --bind "$2" "$stage/$3"
      shift 3
      ;;
    *) break ;;
  esac
done

set -- setpriv --reuid "$user" --regid "$user" --clear-groups \
  env -u XDG_RUNTIME_DIR "HOME=$stage/home" "XDG_CACHE_HOME=$stage/home/.cache" "TMPDIR=$stage/tmp" "$@"
if ! setpriv --reuid "$user" --regid "$user" --clear-groups sh -c '[ -r /dev/fuse ] && [ -w /dev/fuse ]'; then
  mknod -m 666 "$stage/fuse" c 10 229 # MISC_MAJOR and FUSE_MINOR of <linux/major.h>, <linux/miscdevice.h>
  mount --bind "$stage/fuse" /dev/fuse
fi
# Where users abort their connections
mountpoint -q /sys/fs/fuse/connections || mount -t fusectl none /sys/fs/fuse/connections
cd "$stage/home"
exec "$@"
