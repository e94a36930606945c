# A small stand-in for the feed's python3-package.mk: installs what filespec says, as bytecode without sources.

PYTHON3_PKG_DIR:=/usr/lib/python$(PYTHON3_VERSION)/site-packages

define Build/Compile
	mkdir -p $(PKG_INSTALL_DIR)$(PYTHON3_PKG_DIR) $(PKG_INSTALL_DIR)/usr/bin
	cp -R $(PKG_BUILD_DIR)/edgeturn $(PKG_INSTALL_DIR)$(PYTHON3_PKG_DIR)
	printf '#!/usr/bin/python3\nimport sys\nfrom edgeturn.cli import main\nsys.exit(main())\n' > $(PKG_INSTALL_DIR)/usr/bin/edgeturn
endef

define Py3Package
define Package/$(1)/install
	$$(call Py3Package/$(1)/install,$$(1))
	$$(HOST_PYTHON) $$(TOPDIR)/feeds/packages/lang/python/install.py $$(PKG_INSTALL_DIR) $$(1) $$(foreach row,$$(Py3Package/$(1)/filespec),'$$(row)')
endef
endef
