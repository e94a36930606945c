"""The packages for OpenWrt: a folder each, as a feed has them; and what checks, stages and releases them."""
