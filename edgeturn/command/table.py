"""The table of commands: what this tool and the click tool can do, by which words, with which sentences.

TOP is every name, in the order of `--help`. A row of COMMANDS: its words, what it does ("" for what stands in TOP),
file and function, arguments, options. Arguments are a metavar each: NAME, [NAME] for one that may be absent, NAME...
for several. An option: short name or "", long name, kind, help. The kind is FLAG, a metavar for text, metavar... for
what may be repeated, two numbers for a whole number in these bounds, words for one of them. Without help it is hidden.
"""

FLAG = ""
_YEARS = 10 * 365 * 86400

TOP = (
    ("run", "Start a relay in the foreground, set up if need be."),
    ("init", "Make a configuration."),
    ("check", "Test a running relay as a client would."),
    ("diagnose", "Say why a call doesn't connect, from a dump, a capture or live."),
    ("probe", "Gather candidates from STUN and TURN servers, as browsers do."),
    ("credentials", "Mint a time-limited credential; print iceServers."),
    ("snippet", "Print an application's configuration for this relay."),
    ("tokens", "Hand out iceServers in the formats of hosted services."),
    ("status", "Show what the relay is and does."),
    ("sessions", "List the allocations."),
    ("top", "Watch sessions, rates and refusals live."),
    ("capture", "Write the relay's signalling to a file for Wireshark."),
    ("trace", "Print the relay's signalling as it happens."),
    ("web", "Serve a page for people and metrics for Prometheus."),
    ("kick", "End sessions."),
    ("drain", "Admit no new allocations and end when none is left."),
    ("reload", "Apply the configuration file without dropping an allocation."),
    ("kernel", "Let the kernel carry media: attach, detach, status."),
    ("firewall", "Open ports in nftables, and find what is in the way."),
    ("discovery", "Let clients find the relay by anycast and DNS."),
    ("config", "Show, change and check the configuration."),
    ("user", "Add, list and remove users with a password."),
    ("secret", "Add, rotate, list and remove shared secrets."),
    ("service", "Run it as a service of systemd: install, status, uninstall."),
    ("plan", "Compute pool sizes and their memory."),
    ("completion", "Print the script for your shell's completion."),
    ("rpcd", "Answer what the router's web interface asks."),
)

FILE = ("-c", "--config", "FILE", "Configuration file.")
_JSON = ("", "--json", FLAG, "Print JSON, for programs.")

COMMANDS = (
    (
        "run",
        "",
        "run.run",
        (),
        (FILE, ("-v", "--verbose", FLAG, "Log every message decoded, whatever `log_level` says.")),
    ),
    (
        "check",
        "",
        "check.check",
        ("[URI]",),
        (
            ("-u", "--user", "TEXT", "Username, for a URI."),
            ("-p", "--password", "TEXT", "Password of that user."),
            ("-s", "--secret", "TEXT", "Instead of both: the shared secret of time-limited credentials."),
            FILE,
            _JSON,
        ),
    ),
    (
        "credentials",
        "",
        "credentials.credentials",
        (),
        (
            ("", "--user", "TEXT", "Name that quotas and logs go by."),
            ("", "--ttl", (1, _YEARS), "Seconds it is valid."),
            (
                "",
                "--format",
                ("json", "env", "text"),
                "json: iceServers for RTCPeerConnection; env: for a shell; text: for people.",
            ),
            FILE,
        ),
    ),
    ("status", "", "live.status", (), (FILE, _JSON)),
    ("sessions", "", "live.sessions", (), (FILE, _JSON)),
    ("kick", "", "live.kick", ("[ID]",), (("", "--user", "NAME", "End all sessions of this user."), FILE)),
    (
        "drain",
        "",
        "live.drain",
        (),
        (("", "--wait", FLAG, "Wait until the last allocation is gone and the relay has ended."), FILE),
    ),
    ("reload", "", "live.reload", (), (FILE, _JSON)),
    (
        "kernel attach",
        "Attach to the interfaces of this relay and prove that it works.",
        "kernel.attach",
        (),
        (
            ("", "--interface", "NAME...", "Attach only here; what is attached elsewhere stays. May be repeated."),
            ("", "--following", FLAG, ""),
            ("", "--enable-forwarding", FLAG, "Switch forwarding on, on the interfaces that are attached to."),
            FILE,
            _JSON,
        ),
    ),
    (
        "kernel detach",
        "Take everything away, and put back what attaching has changed.",
        "kernel.detach",
        (),
        (FILE, _JSON),
    ),
    (
        "kernel status",
        "Show what is attached, what it carries, and what it leaves to Python and why.",
        "kernel.status",
        (),
        (FILE, _JSON),
    ),
    (
        "config show",
        "Show every option's value, those that aren't in the file with their defaults.",
        "config.show",
        (),
        (FILE, ("", "--show", FLAG, "Show secrets too."), _JSON),
    ),
    (
        "config get",
        "Print an option's value, a list's values one a line.",
        "config.get",
        ("NAME",),
        (FILE, _JSON),
    ),
    (
        "config set",
        "Give an option a value, or a list these values instead of those that it has.",
        "config.set_value",
        ("NAME", "VALUE..."),
        (FILE,),
    ),
    (
        "config unset",
        "Remove an option or a whole list, so that its default counts.",
        "config.unset",
        ("NAME",),
        (FILE,),
    ),
    ("config add", "Add a value to a list.", "config.add", ("NAME", "VALUE"), (FILE,)),
    ("config remove", "Remove a value from a list.", "config.remove", ("NAME", "VALUE"), (FILE,)),
    (
        "config check",
        "Say whether the file is correct, and what may be a mistake nevertheless.",
        "config.check",
        (),
        (FILE,),
    ),
    (
        "user add",
        "Add a user.",
        "user.add",
        ("NAME",),
        (
            ("-p", "--password", "TEXT", "The password; - reads it from standard input."),
            ("-g", "--generate", FLAG, "Make a random password and print it; so it is without --password."),
            FILE,
        ),
    ),
    ("user list", "List the users.", "user.show", (), (FILE, _JSON)),
    (
        "user remove",
        "Remove a user: no new session from the next reload on; those that run go on until `edgeturn kick --user NAME`.",  # noqa: E501
        "user.remove",
        ("NAME",),
        (FILE,),
    ),
    (
        "secret add",
        "Add a secret behind the others, a random one if no VALUE is given; - reads it from standard input.",
        "secret.add",
        ("[VALUE]",),
        (FILE,),
    ),
    (
        "secret rotate",
        "Put a new random secret in front; the old ones stay valid until they are removed.",
        "secret.rotate",
        (),
        (FILE,),
    ),
    (
        "secret list",
        "List the secrets by fingerprint.",
        "secret.show",
        (),
        (FILE, ("", "--show", FLAG, "Show the secrets, not only their fingerprints."), _JSON),
    ),
    (
        "secret remove",
        "Remove a secret: what was minted with it starts no session from the next reload on; those that run go on.",
        "secret.remove",
        ("FINGERPRINT|SECRET",),
        (FILE,),
    ),
    (
        "plan",
        "",
        "plan.plan",
        (),
        (
            ("", "--memory", "BYTES", "What a relay may take, such as 8M: print pools that fit."),
            ("", "--allocations", (1, 8192), "Print what so many allocations cost."),
            ("", "--permissions", (1, 256), "Permissions of an allocation."),
            ("", "--channels", (1, 256), "Channels of an allocation."),
            ("", "--families", (1, 2), "1: only IPv4 or IPv6."),
            FILE,
            _JSON,
        ),
    ),
    ("rpcd", "", "rpcd.rpcd", ("list|call", "[METHOD]"), (FILE,)),
)
