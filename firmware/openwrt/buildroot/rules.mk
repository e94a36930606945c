# A small stand-in for OpenWrt's rules.mk: what edgeturn's Makefiles use of it, so that they can be evaluated and run
# without OpenWrt. SOURCE, WORK, DESTDIR and PACKAGE are given; see ../staging.py.

INCLUDE_DIR:=$(TOPDIR)/include
BUILD_DIR:=$(WORK)/build
STAGING_DIR:=$(WORK)/staging
INSTALL_DIR:=install -d -m0755
INSTALL_BIN:=install -m0755
INSTALL_CONF:=install -m0600
INSTALL_DATA:=install -m0644
CP:=cp -fpR
SED:=sed -i -e
DL_DIR:=$(WORK)/dl
STAGING_DIR_HOST:=$(WORK)/host
HOSTCC:=gcc
TAR:=tar
PKG_JOBS:=-j2
