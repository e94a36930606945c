"""
Debian's package of edgeturn: one for all architectures, on Debian's own python3, python3-click and python3-pyroute2.

    /usr/lib/edgeturn/edgeturn        the package, compiled when it's installed
    /usr/bin/edgeturn                   the command
    /lib/systemd/system/edgeturn.service    what `edgeturn service install` would write
    /etc/edgeturn/edgeturn.conf         made with fresh secrets when it's installed first; purging removes it
"""
