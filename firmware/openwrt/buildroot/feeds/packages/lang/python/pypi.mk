# A small stand-in for the feed's pypi.mk: what it sets for a package that gives PYPI_NAME.

PKG_SOURCE?=$(PYPI_NAME)-$(PKG_VERSION).tar.gz
PKG_SOURCE_URL?=pypi:$(PYPI_NAME)
PKG_BUILD_DIR:=$(BUILD_DIR)/pypi/$(PYPI_NAME)-$(PKG_VERSION)
