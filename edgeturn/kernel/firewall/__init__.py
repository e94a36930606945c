"""The firewall through nf_tables: our own table, and how a packet fares in everybody else's."""
