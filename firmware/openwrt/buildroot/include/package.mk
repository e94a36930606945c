# A small stand-in for OpenWrt's package.mk: unpacks, compiles and installs one package, or prints its fields.

PKG_BUILD_DIR?=$(BUILD_DIR)/$(PKG_NAME)-$(PKG_VERSION)
PKG_INSTALL_DIR:=$(PKG_BUILD_DIR)/ipkg-install
FIELDS:=SECTION CATEGORY SUBMENU TITLE DEPENDS CONFLICTS PROVIDES USERID PKGARCH
PACKAGE_FIELDS:=PKG_NAME PKG_VERSION PKG_RELEASE PKG_SOURCE PKG_SOURCE_URL PKG_HASH PKG_MAINTAINER PKG_LICENSE \
	PKG_LICENSE_FILES PKG_BUILD_DEPENDS

# What is unpacked is the source tree, as the archive has it.
define Build/Prepare/Default
	mkdir -p $(PKG_BUILD_DIR)
	cp -R $(SOURCE)/. $(PKG_BUILD_DIR)
endef
Build/Prepare=$(Build/Prepare/Default)

define BuildPackage
PACKAGES+=$(1)
endef

show:
	$(eval $(Package/$(PACKAGE)))
	$(foreach field,$(FIELDS) $(PACKAGE_FIELDS),$(info $(field)=$(strip $($(field)))))
	$(foreach file,$(Package/$(PACKAGE)/conffiles),$(info conffiles=$(file)))
	$(foreach name,$(PACKAGES),$(info packages=$(name)))
	@true

stage:
	rm -rf $(PKG_BUILD_DIR)
	$(Build/Prepare)
	$(Build/Compile)
	mkdir -p $(DESTDIR)
	$(call Package/$(PACKAGE)/install,$(DESTDIR))

prerm:
	$(file >$(DESTDIR),$(subst $$$$,$$,$(Package/$(PACKAGE)/prerm)))
