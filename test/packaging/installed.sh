#!/bin/sh
# Installs a package into an overlay of this machine's root that nobody else sees, uses it there as its
# administrator would, and removes it again. Run in a mount namespace of its own; what it mounts goes with that.
#   installed.sh PACKAGE SCRATCH
set -eu
package=$1
scratch=$2

mount --make-rprivate /
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root"
for folder in proc sys dev; do mount --rbind "/$folder" "$scratch/root/$folder"; done
mount -t tmpfs tmpfs "$scratch/root/tmp"
cp "$package" "$scratch/root/tmp/afterimage.deb"
exec chroot "$scratch/root" /bin/sh -eu -c '
  cd /tmp
  export DEBIAN_FRONTEND=noninteractive
  # A policy keeps maintainer scripts from starting anything.
  printf "#!/bin/sh\nexit 101\n" > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
  dpkg --install --force-depends afterimage.deb > dpkg.log 2>&1 || { cat dpkg.log; exit 1; }
  echo "version $(afterimage --version)"
  echo "user $(id -un afterimage)"
  echo "configurations $(stat -c %a:%U:%G /etc/afterimage)"
  systemd-analyze verify /usr/lib/systemd/system/afterimage-*.service > units.log 2>&1 && echo "units good" || cat units.log
  man -l /usr/share/man/man1/afterimage.1.gz > /dev/null && echo "manual good"
  bash -n /usr/share/bash-completion/completions/afterimage && echo "completion good"
  # Whatever Node is on the path, the package uses its own.
  mkdir /tmp/job && cd /tmp/job
  PATH=/usr/bin:/bin:/usr/sbin:/sbin
  /usr/lib/afterimage/node /usr/lib/afterimage/dist/cli/start.js --once > job.log 2>&1 && echo "job done" || cat job.log
  cd /tmp
  # What an administrator makes, as the guide says; then the same version again, as an upgrade does it.
  examples=/usr/share/doc/afterimage/examples
  install -m 0640 -g afterimage $examples/replica.yaml $examples/agent.yaml /etc/afterimage/
  install -m 0600 /dev/null /etc/afterimage/enrolment.json
  mkdir -p /var/lib/afterimage-agent /var/lib/afterimage-replica
  echo point > /var/lib/afterimage-replica/point
  echo "# mine" >> /etc/afterimage/replica.yaml
  chmod 0700 /etc/afterimage
  systemctl enable --quiet afterimage-agent 2> /dev/null
  for file in $(sed -n "s|^# Every key: ||p" $examples/*.yaml | sort -u); do
    [ -e "$file" ] && echo "keys told" || echo "keys not told: $file"
  done
  dpkg --install --force-depends afterimage.deb > dpkg.log 2>&1 || { cat dpkg.log; exit 1; }
  echo "kept $(stat -c %a /etc/afterimage) $(tail -n 1 /etc/afterimage/replica.yaml)"
  dpkg --remove afterimage > dpkg.log 2>&1 || { cat dpkg.log; exit 1; }
  echo "removed $(ls /etc/afterimage | wc -l) configured $(find /etc/systemd -name "afterimage*" | wc -l) enabled"
  dpkg --purge afterimage > dpkg.log 2>&1 || { cat dpkg.log; exit 1; }
  echo "left $(ls -d /usr/lib/afterimage /usr/bin/afterimage /usr/lib/systemd/system/afterimage* /etc/afterimage \
    /var/lib/afterimage-agent /usr/share/doc/afterimage 2> /dev/null | wc -l)"
  echo "copies $(cat /var/lib/afterimage-replica/point)"
'
