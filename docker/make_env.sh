#!/bin/sh
# Write .env with new random secrets; one that is there is left as it is.
#
#   sh docker/make_env.sh [FILE]
set -eu
here=$(dirname "$0")/..
file=${1:-$here/.env}
if [ -e "$file" ]; then
    echo "$file is there already; nothing was changed."
    exit 0
fi
umask 077
secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
while IFS= read -r line; do
    case $line in
    *=change-me) printf '%s=%s\n' "${line%%=*}" "$(secret)" ;;
    *) printf '%s\n' "$line" ;;
    esac
done <"$here/.env.example" >"$file"
echo "Wrote $file with new secrets, readable by you alone."
