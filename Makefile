# Lastwatt: build, check, test, install. "make help" lists the targets.

GO       ?= go
PREFIX   ?= /usr/local
DESTDIR  ?=
SYSTEMD  ?= /etc/systemd/system
UDEV     ?= /etc/udev/rules.d
SYSUSERS ?= /usr/lib/sysusers.d
STATE    ?= /var/lib/lastwatt
CONFIG   ?= /etc/lastwatt

.PHONY: help build check test test-pi bench cross install uninstall clean

help:
	@echo "make build      the program, in bin/lastwatt"
	@echo "make check      build, lint, unit and race tests: for the work at hand"
	@echo "make test       everything, as CI runs it (Debian 12, root or sudo)"
	@echo "make test-pi    the GPIO driver on a Pi's kernel, on QEMU's boards (Debian 12)"
	@echo "make bench      the figures of docs/performance.md, on this machine"
	@echo "make install    PREFIX=$(PREFIX) DESTDIR=$(DESTDIR); BUILD=node leaves out what only a controller needs"
	@echo "make uninstall  keeps the state, unless PURGE=1"

build:
	@scripts/build bin/lastwatt

check:
	@scripts/check

test:
	@scripts/test

test-pi:
	CGO_ENABLED=0 $(GO) test -count=1 -v -tags pi -timeout 30m ./hwtest/pi/

bench:
	@scripts/bench ups

cross:
	@scripts/cross

install: build
	install -D -m 0755 bin/lastwatt $(DESTDIR)$(PREFIX)/bin/lastwatt
	@for unit in configs/systemd/*.service; do [ -e "$$unit" ] || continue; \
	  [ "$(BUILD)" != node ] || [ "$$(basename "$$unit")" != lastwatt-controller.service ] || continue; \
	  install -d $(DESTDIR)$(SYSTEMD) && \
	  sed 's,/usr/local/bin/lastwatt,$(PREFIX)/bin/lastwatt,' "$$unit" > $(DESTDIR)$(SYSTEMD)/$$(basename "$$unit") && \
	  chmod 0644 $(DESTDIR)$(SYSTEMD)/$$(basename "$$unit") && echo "installed $(DESTDIR)$(SYSTEMD)/$$(basename "$$unit")"; done
	@for rule in configs/udev/*.rules; do [ -e "$$rule" ] || continue; install -D -m 0644 "$$rule" $(DESTDIR)$(UDEV)/$$(basename "$$rule"); done
	@for users in configs/sysusers.d/*.conf; do [ -e "$$users" ] || continue; install -D -m 0644 "$$users" $(DESTDIR)$(SYSUSERS)/$$(basename "$$users"); done
	install -d -m 0755 $(DESTDIR)$(CONFIG)
	@[ ! -e configs/reference.yaml ] || install -D -m 0644 configs/reference.yaml $(DESTDIR)$(PREFIX)/share/doc/lastwatt/reference.yaml
	@if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then systemd-sysusers; systemctl daemon-reload; udevadm control --reload; fi
	@if [ "$(BUILD)" = node ]; then echo "next: lastwatt join TOKEN, with what \"lastwatt token\" prints on the controller's machine, then: systemctl enable --now lastwatt-agent"; \
	  else echo "next: write $(CONFIG)/lastwatt.yaml, then: systemctl enable --now lastwatt-controller"; fi

uninstall:
	@if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then systemctl disable --now lastwatt-controller lastwatt-agent 2>/dev/null || true; fi
	rm -f $(DESTDIR)$(PREFIX)/bin/lastwatt $(DESTDIR)$(SYSTEMD)/lastwatt-controller.service $(DESTDIR)$(SYSTEMD)/lastwatt-agent.service
	rm -f $(DESTDIR)$(UDEV)/60-lastwatt.rules $(DESTDIR)$(SYSUSERS)/lastwatt.conf
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/lastwatt
	@if [ "$(PURGE)" = 1 ]; then rm -rf $(DESTDIR)$(STATE) $(DESTDIR)$(CONFIG); echo "state and configuration removed"; \
	  else echo "kept $(DESTDIR)$(STATE) and $(DESTDIR)$(CONFIG); PURGE=1 removes them"; fi

clean:
	rm -rf bin
