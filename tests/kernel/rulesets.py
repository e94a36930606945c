"""
Firewalls as they are found in the field, around the interfaces `lan` and `wan`: what each lets in, and how it is told
to let in more.

Each is a text for `nft -f` or lines for iptables, shaped like what the named program loads: the same chains, in the
same order, with the same kinds of conditions.
"""

from dataclasses import dataclass

# The chains and rules of OpenWrt 24.10's firewall4 with its default zones.
_FIREWALL4 = """
table inet fw4 {{
    ct helper sip {{
        type "sip" protocol udp
    }}
    chain input {{
        type filter hook input priority filter; policy drop;
        iif "lo" accept comment "!fw4: Accept traffic from loopback"
        ct state vmap {{ established : accept, related : accept }} comment "!fw4: Handle inbound flows"
        tcp flags & (fin | syn | rst | ack) == syn jump syn_flood
        iifname "lan" jump input_lan comment "!fw4: Handle lan IPv4/IPv6 input traffic"
        iifname "wan" jump input_wan comment "!fw4: Handle wan IPv4/IPv6 input traffic"
        jump handle_reject
    }}
    chain prerouting {{
        type filter hook prerouting priority filter; policy accept;
        iifname "lan" jump helper_lan
    }}
    chain raw_prerouting {{
        type filter hook prerouting priority raw; policy accept;
    }}
    chain mangle_input {{
        type filter hook input priority mangle; policy accept;
    }}
    chain dstnat {{
        type nat hook prerouting priority dstnat; policy accept;
    }}
    chain handle_reject {{
        meta l4proto tcp reject with tcp reset
        reject
    }}
    chain syn_flood {{
        limit rate 25/second burst 50 packets return
        drop
    }}
    chain helper_lan {{
        udp dport 5060 ct helper set "sip"
    }}
    chain input_lan {{
        jump accept_from_lan
    }}
    chain accept_from_lan {{
        iifname "lan" counter accept
    }}
    chain input_wan {{
        {rules}
        meta nfproto ipv4 udp dport 68 counter accept comment "!fw4: Allow-DHCP-Renew"
        icmp type echo-request counter accept comment "!fw4: Allow-Ping"
        meta nfproto ipv4 meta l4proto igmp counter accept comment "!fw4: Allow-IGMP"
        meta nfproto ipv6 udp dport 546 counter accept comment "!fw4: Allow-DHCPv6"
        ip6 saddr fe80::/10 icmpv6 type . icmpv6 code {{ 130 . 0, 131 . 0, 143 . 0 }} counter accept
        meta nfproto ipv6 icmpv6 type {{ 128, 129, 1, 3 }} limit rate 1000/second counter accept
        jump reject_from_wan
    }}
    chain reject_from_wan {{
        iifname "wan" counter jump handle_reject
    }}
}}
"""

# firewalld 1.3 with the interfaces in the zones internal and public.
_FIREWALLD = """
table inet firewalld {{
    chain filter_PREROUTING {{
        type filter hook prerouting priority -290; policy accept;
        icmpv6 type {{ nd-router-advert, nd-neighbor-solicit }} accept
        meta nfproto ipv6 fib saddr . mark . iif oif missing drop
    }}
    chain filter_INPUT {{
        type filter hook input priority 10; policy accept;
        ct state {{ established, related }} accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        jump filter_INPUT_ZONES
        reject with icmpx admin-prohibited
    }}
    chain filter_INPUT_ZONES {{
        iifname "lan" goto filter_IN_internal
        iifname "wan" goto filter_IN_public
        goto filter_IN_public
    }}
    chain filter_IN_internal {{
        jump filter_IN_internal_pre
        accept
    }}
    chain filter_IN_internal_pre {{
    }}
    chain filter_IN_public {{
        jump filter_IN_policy_allow-host-ipv6
        jump filter_IN_public_allow
        reject with icmpx admin-prohibited
    }}
    chain filter_IN_policy_allow-host-ipv6 {{
        icmpv6 type nd-neighbor-advert accept
    }}
    chain filter_IN_public_allow {{
        tcp dport 22 accept
        ip6 daddr fe80::/64 udp dport 546 accept
        {rules}
    }}
}}
"""

# By hand, as in Debian's example.
_PLAIN = """
table inet filter {{
    chain input {{
        type filter hook input priority filter; policy drop;
        {rules}
        ct state established,related accept
        iifname lan accept
        tcp dport ssh accept
    }}
}}
"""

# The skeleton that ufw 0.36 loads for IPv4; what its users allow stands in ufw-user-input.
_UFW = """
-N ufw-before-input
-N ufw-user-input
-N ufw-not-local
-N ufw-logging-deny
-N ufw-reject-input
-P INPUT DROP
-A INPUT -j ufw-before-input
-A INPUT -j ufw-reject-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p icmp --icmp-type echo-request -j ACCEPT
-A ufw-before-input -p udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -j ufw-user-input
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN
-A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j ufw-logging-deny
-A ufw-not-local -j DROP
-A ufw-user-input -i lan -j ACCEPT
"""

# By hand, with a rule in between that has nothing to do with it.
_IPTABLES = """
-A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT
-A INPUT -i lan -m comment --comment "the local network" -j ACCEPT
-A INPUT -p udp -m udp --sport 53 -m multiport --dports 1,2,4:9 -j ACCEPT
-A INPUT -p tcp --dport 22 -j ACCEPT
-A INPUT -p tcp ! --syn -m state --state NEW -j DROP
-A INPUT -p tcp --tcp-flags SYN,FIN SYN,FIN -j DROP
-A INPUT -j REJECT
"""


@dataclass(frozen=True)
class Firewall:
    """A firewall that lets in everything from the lan and nothing from the wan, and how ports are opened in it.

    text: for nft, where {rules} stands for what opens ports; lines: for iptables.
    """

    text: str = ""
    lines: str = ""
    told: tuple[str, ...] = ()  # parts of the commands that open it, as they are printed

    def rules(self, opened: str = "") -> str:
        return self.text.format(rules=opened)


FIREWALLS = {
    "firewall4": Firewall(
        _FIREWALL4,
        told=(
            "uci set firewall.edgeturn_wan.dest_port='3478 49152-65535'\n",
            "uci set firewall.edgeturn_wan_tcp.proto='tcp'\n",
            "uci set firewall.edgeturn_wan_tcp.dest_port='3478'\n",
        ),
    ),
    "firewalld": Firewall(
        _FIREWALLD,
        told=(
            "firewall-cmd --permanent --zone=public --add-port=3478/udp --add-port=49152-65535/udp\n",
            "firewall-cmd --permanent --zone=public --add-port=3478/tcp\n",
        ),
    ),
    "nftables": Firewall(
        _PLAIN,
        told=(
            "nft 'insert rule inet filter input udp dport { 3478, 49152-65535 } accept comment \"edgeturn\"'\n",
            "nft 'insert rule inet filter input tcp dport { 3478 } accept comment \"edgeturn\"'\n",
        ),
    ),
    "ufw": Firewall(lines=_UFW),
    "iptables": Firewall(lines=_IPTABLES),
}
