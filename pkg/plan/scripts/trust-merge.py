# usage: trust-merge SCOPE BASE OURS
# Prints the containers-policy.json(5) BASE with what OURS demands for SCOPE.
# What BASE says of other images stays; what it says of parts of SCOPE goes,
# since the longest scope counts. OURS rejects by default, and accepts
# everything per transport, which means the same to everyone but to bootc, who
# looks at the default; a BASE that rejects by default has its reasons, and is
# not opened.
import json
import sys

scope = sys.argv[1]
base, ours = (json.load(open(name, encoding="utf-8")) for name in sys.argv[2:4])

transports = base.setdefault("transports", {})
if any(demand["type"] == "reject" for demand in base["default"]):
    ours["transports"] = {"docker": {scope: ours["transports"]["docker"][scope]}}
docker = transports.setdefault("docker", {})
# A tag or a digest is a part, too; after a registry's name, a colon is before a port.
separators = ("/", ":", "@") if "/" in scope else ("/",)
for key in [key for key in docker if key.startswith(tuple(scope + s for s in separators))]:
    del docker[key]
for name, scopes in ours["transports"].items():
    for key, demands in scopes.items():
        if key == scope:
            transports.setdefault(name, {})[key] = demands
        elif base["default"] == [{"type": "insecureAcceptAnything"}]:
            transports.setdefault(name, {}).setdefault(key, demands)
        else:
            # What the default demanded, it demands of each transport still.
            transports.setdefault(name, {}).setdefault(key, base["default"])
base["default"] = ours["default"]
print(json.dumps(base, indent=4))
