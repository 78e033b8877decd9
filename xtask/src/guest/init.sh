#!/bin/busybox sh
# First process of the test guest: makes the file systems of a small node, runs one program whose
# arguments stand in /args (one per line), reports its exit code on the second serial port, and
# powers off. It is never run anywhere else.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

if [ "$1" != second ]; then
    # A container runtime cannot pivot away from the boot archive: move to a tmpfs first.
    mkdir -p /new
    mount -t tmpfs -o mode=755 tmpfs /new
    # switch_root refuses a root without /init, so that one is copied; all else is moved.
    cp /init /new/init
    for entry in lib lib64 usr etc sbin root args modules t; do
        if [ -e "/$entry" ]; then /bin/busybox mv "/$entry" /new/; fi
    done
    cp -a /bin /new/bin
    exec /bin/busybox switch_root /new /init second
fi

mkdir -p /proc /sys /dev /run /tmp /var
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /var
mkdir -p /run/netns /run/lock /var/lib /var/log
hostname guest
# The results port carries bytes as they are.
stty -F /dev/ttyS1 raw -echo
/usr/sbin/ip link set lo up
modprobe -a $(cat /modules) || echo "guest: not every module could be loaded"
echo "guest: kernel $(uname -r), up $(cut -d' ' -f1 /proc/uptime) s"

mount --make-rshared /
set --
while IFS= read -r argument; do set -- "$@" "$argument"; done < /args
"$@" < /dev/null
echo "exit $?" > /dev/ttyS1
sync
poweroff -f
