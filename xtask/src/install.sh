# Installs the Debian packages given as arguments. Run by install.rs, as root.
#
# Debian's packages create a PostgreSQL cluster and start services. A test
# environment wants the programs only: both are prevented for the time of the
# installation, and the machine's own settings are put back afterwards.
set -eu
export DEBIAN_FRONTEND=noninteractive

policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.conf
saved=$(mktemp -d)

restore() {
    for file in "$policy" "$clusters"; do
        kept=$saved/$(basename "$file")
        if [ -e "$kept" ]; then
            cp -p "$kept" "$file"
        elif [ -e "$kept.absent" ]; then
            rm -f "$file"
        fi
    done
    rm -rf "$saved"
}
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

keep() {
    if [ -e "$1" ]; then
        cp -p "$1" "$saved/$(basename "$1")"
    else
        touch "$saved/$(basename "$1").absent"
    fi
}

is_updated=no
update() {
    if [ "$is_updated" = no ]; then
        apt-get update
        is_updated=yes
    fi
}

is_known() {
    apt-cache show "$1" >/dev/null 2>&1
}

# The lists may be absent (a fresh container), or name versions that the mirror
# has already replaced: only then they are fetched.
add() {
    apt-get install -y --no-install-recommends "$@" && return 0
    [ "$is_updated" = no ] || return 1
    update
    apt-get install -y --no-install-recommends "$@"
}

for package in "$@"; do
    is_known "$package" || update
done

has_etcd=no
# Services that would start with the next boot. One that is here already is somebody's own.
services=
for package in "$@"; do
    shift
    if [ "$package" = etcd-server ]; then
        has_etcd=yes
        # Older releases have server and client in one package.
        is_known etcd-server || package=etcd
    fi
    case $package in
    haproxy | pgbouncer) [ -e "/usr/sbin/$package" ] || services="$services $package.service" ;;
    esac
    set -- "$@" "$package"
done

keep "$policy"
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

for package in "$@"; do
    if [ "$package" = postgresql ]; then
        # This package brings the setting; the servers' packages read it.
        add postgresql-common
        keep "$clusters"
        echo 'create_main_cluster = false' >>"$clusters"
    fi
done

add "$@"

# PostgreSQL's service starts clusters, and there is none. The others' would
# start with the next boot.
[ "$has_etcd" = no ] || services="$services etcd.service"
for service in $services; do
    if command -v systemctl >/dev/null 2>&1; then
        systemctl disable "$service" >/dev/null 2>&1 || true
    fi
done
