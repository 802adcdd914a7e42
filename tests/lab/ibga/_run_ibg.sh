#!/usr/bin/env bash
# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# To be sourced: what a person calls inside the container.

_click_menu() {
    local answer position
    answer=$(mktemp -u /tmp/ibg-menu.XXXXXX)
    printf '%s|list_menu\n' "$answer" > /tmp/ibg-jauto.in
    until [ -e "$answer" ]; do sleep 0.02; done
    position=$(sed -n "s|^[^,]*,$1,.*,mx:\([0-9]*\),my:\([0-9]*\).*|\1 \2|p" "$answer")
    rm -f "$answer"
    [ -n "$position" ] && printf 'click %s\n' "$position" > /tmp/.ibg-input
}
