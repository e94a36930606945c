# What the three packages of the relay have in common: where it comes from, its service, and that only one is installed.
#
# The files of the service are here once, beside this file. `python3 -m firmware.openwrt release ARCHIVE` writes
# PKG_VERSION and PKG_HASH; until the first release nothing has this hash, so that no download passes unverified.

EDGETURN_DIR:=$(dir $(lastword $(MAKEFILE_LIST)))
EDGETURN_FILES:=$(EDGETURN_DIR)files

PKG_VERSION:=0.1.0
PKG_RELEASE:=1

PYPI_NAME:=edgeturn
PKG_HASH:=0000000000000000000000000000000000000000000000000000000000000000

PKG_MAINTAINER:=the edgeturn authors
PKG_LICENSE:=MIT
PKG_LICENSE_FILES:=LICENSE

# It says where the archive is; but each package unpacks into a folder of its own.
include $(TOPDIR)/feeds/packages/lang/python/pypi.mk
PKG_BUILD_DIR:=$(BUILD_DIR)/$(PKG_NAME)/edgeturn-$(PKG_VERSION)

define Edgeturn/Package
  SECTION:=net
  CATEGORY:=Network
  SUBMENU:=Telephony
  TITLE:=STUN and TURN relay
  USERID:=edgeturn=3478:edgeturn=3478
endef

define Edgeturn/description
  A STUN and TURN relay for the edge router: calls get through NAT without a
  rented server. Follows a changing WAN address without a restart; media of
  bound channels is carried by the kernel.
endef

define Edgeturn/conffiles
/etc/config/edgeturn
endef

# Take the kernel path away where the package is removed, and leave it where a newer one follows.
define Edgeturn/prerm
#!/bin/sh
[ -n "$${IPKG_INSTROOT}" ] || [ "$${PKG_UPGRADE}" = 1 ] || edgeturn kernel detach > /dev/null 2>&1
exit 0
endef

# The service; the second argument says what runs the relay.
define Edgeturn/install
	$(INSTALL_DIR) $(1)/etc/config
	$(INSTALL_CONF) $(EDGETURN_FILES)/edgeturn.config $(1)/etc/config/edgeturn
	$(INSTALL_DIR) $(1)/etc/init.d
	$(INSTALL_BIN) $(EDGETURN_FILES)/edgeturn.init $(1)/etc/init.d/edgeturn
	$(INSTALL_DIR) $(1)/etc/uci-defaults
	$(INSTALL_BIN) $(EDGETURN_FILES)/edgeturn.defaults $(1)/etc/uci-defaults/50-edgeturn
	$(INSTALL_DIR) $(1)/etc/hotplug.d/iface
	$(INSTALL_BIN) $(EDGETURN_FILES)/edgeturn.hotplug $(1)/etc/hotplug.d/iface/90-edgeturn
	$(INSTALL_DIR) $(1)/etc/capabilities
	$(INSTALL_DATA) $(EDGETURN_FILES)/edgeturn.json $(1)/etc/capabilities/edgeturn.json
	$(INSTALL_DIR) $(1)/lib/upgrade/keep.d
	$(INSTALL_DATA) $(EDGETURN_FILES)/edgeturn.upgrade $(1)/lib/upgrade/keep.d/edgeturn
	$(INSTALL_DIR) $(1)/usr/share/edgeturn
	$(INSTALL_DATA) $(2) $(1)/usr/share/edgeturn/interpreter.sh
endef
