#!/bin/sh
# Copyright (c) 2026 AbstractFinance
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The lab's installer of the gateway: fills the program directory it is started in.
echo "Unpacking JRE ..."
mkdir -p Jts/ibgateway Jts/jre/bin || exit 1
echo "Starting Installer ..."
ln -sf /usr/bin/python3 Jts/jre/bin/java
: > Jts/ibgateway/ibgateway.vmoptions
cat > Jts/ibgateway/ibgateway <<'LAUNCHER' || exit 1
#!/bin/sh
cd /opt/ibga && exec "$IBG_DIR/Jts/jre/bin/java" -m ibga.gateway
LAUNCHER
chmod 0755 Jts/ibgateway/ibgateway
echo "Finishing installation ..."
