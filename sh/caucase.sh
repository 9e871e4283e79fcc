#!/bin/sh
# caucase.sh: asks for certificates, renews and revokes them. It is the command caucase for machines without Python.
#
# Needs curl, openssl (1.1.1 or later; Ed25519 keys: 3.0) and the usual commands, of coreutils and awk or of busybox. It
# makes the decisions of caucase/core/trust.py and caucase/client, which docs/security.md explains: only the first
# contact takes the server's word; everything later has to follow, by signatures, from what is trusted here. All of it
# goes over plain HTTP, because all that matters is signed. No key leaves the folder in which it is.
#
# How it is written: a function in parentheses is a process of its own. Its variables are its own, and "set -e" takes
# its failure to the caller; so it must not be called in a condition, where "set -e" is off. What is called in
# conditions is named is_... or has_..., and is one expression. A command substitution has no "set -e" in busybox: what is
# called in one is a single command, or says it again. Nothing trusted may hang on one that is an argument, whose failure
# is not seen.
#
# What shellcheck warns of is meant so: "fail" in a && b || fail never returns; variables do end with their process; and
# all functions are called, by "walk" and "attempt".
# shellcheck disable=SC2015,SC2030,SC2031,SC2317
set -eu

VERSION=1.0.0.dev0

# Bytes of an answer: of one request or certificate, of the chain of CAs, of the revocation lists; and of a file of CAs.
PEM_LIMIT=65536
CHAIN_LIMIT=262144
LISTS_LIMIT=268435456
CA_FILE_LIMIT=1048576

# What ends a process of ours, beside 0 and 1: still pending, no usable answer from the server.
PENDING=75
UNREACHABLE=76

PRIVATE_KEY='([A-Z0-9]+ )*PRIVATE KEY'
# What to do about it.
START_AFRESH='If that is expected, compare fingerprints with the operator, then remove the local CA file.'
GET_IT_AGAIN='Get it again from where it came from.'
IS_IT_OURS='Is it a caucase server, and nothing before it that changes answers?'
IS_THERE_SPACE='Is there space left on that disk?'

help() {
    cat <<'END'
usage: caucase.sh --ca-url URL [OPTION]... [ACTION]...

Ask a caucase server for certificates, renew and revoke them. Every call also updates the files with CA certificates
and revocation lists, and accepts a new CA only if the one before vouches for it.

actions, each as often as needed:
  --send-csr CSR...     submit requests; prints for each its id and its file
  --get-csr ID FILE     fetch a request and append it to a file
  --get-crt ID FILE     fetch a certificate; a file that exists must hold its key, and it is appended
  --revoke-crt CRT KEY  revoke a certificate with its key; KEY is ignored if CRT holds the key
  --renew-crt CRT KEY   renew a certificate in place, if it is due; KEY is ignored if CRT holds the key

options:
  --ca-url URL          the server's HTTP address
  --ca-crt PATH         CA certificates of services: a file, or a folder with a file for each; what does not exist
                        becomes a file if it has an extension, else a folder [cas.crt.pem]
  --user-ca-crt PATH    CA certificates of users, likewise [cau.crt.pem]
  --crl PATH            revocation lists of services, likewise [cas.crl.pem]
  --user-crl PATH       revocation lists of users, likewise [cau.crl.pem]
  --update-user         also update the CA certificates and revocation lists of users
  --mode service|user   whose certificates the actions are about [service]
  --threshold DAYS      a certificate is renewed once no more than this remains of its life [31]
  --key-len BITS        bits of a new key, if the old one is RSA; else it has the type of the old one [2048]
  --on-renew EXECUTABLE a program to run after anything was renewed: CA, revocation list, certificate; if it fails,
                        the next call with this option runs it again
  -h, --help            show this help and exit
  --version             show the version and exit

Exit status: 0 done, 1 an error, 2 a certificate is still pending, 3 the command of --on-renew failed.
END
}

# What is told to people

# complain SENTENCE WHAT-TO-DO
complain() {
    printf 'caucase.sh: %s %s\n' "$1" "$2" >&2
}

fail() {
    complain "$@"
    exit 1
}

misused() {
    fail "$1." 'See caucase.sh --help.'
}

# The first line of a file, fit for a terminal whoever wrote it.
first_line() {
    awk 'NR == 1 {
        gsub(/[^ -~]/, ""); sub(/^curl: \([0-9]+\) /, ""); sub(/[. ]+$/, ""); print substr($0, 1, 300); exit
    }' "$1"
}

# PEM (RFC 7468)

# pem LABEL [PREFIX] <TEXT: prints how many blocks there are whose label matches that expression, and writes them to
# files PREFIX1, PREFIX2... Fails if one is cut off, or if there are thousands: each is a file. What is around them is
# explanation.
pem() {
    prefix=${2-} awk -v label="$1" '
        BEGIN { prefix = ENVIRON["prefix"] }
        { line = $0; sub(/[ \t\r]+$/, "", line) }
        line ~ ("^-----BEGIN " label "-----$") {
            if (count == 4096) { end = label }
            if (end != "") { exit }
            end = line; sub(/BEGIN/, "END", end); file = prefix (++count)
        }
        end != "" && prefix != "" { print line >file }
        end != "" && line == end { end = ""; if (prefix != "") { close(file) } }
        END { print count + 0; exit end != "" }
    '
}

# pem_exchanged LABEL NEW <OLD: the old text, with the block whose label matches replaced by the content of NEW.
pem_exchanged() {
    new=$2 awk -v label="$1" '
        { line = $0; sub(/[ \t\r]+$/, "", line) }
        line ~ ("^-----BEGIN " label "-----$") {
            end = line; sub(/BEGIN/, "END", end)
            while ((getline inserted <ENVIRON["new"]) > 0) { print inserted }
        }
        end == "" { print }
        line == end { end = "" }
    '
}

# JSON (RFC 8259): as much as a list of signed messages, and the payload of one, are made of

# json SHAPE NAMES PREFIX <TEXT: a list of objects (SHAPE is "list") or one object, whose members are texts with exactly
# these names; prints how many objects, and writes each member to the file PREFIXnumber.name. Fails for anything else, also
# where RFC 8259 would allow it: characters that are not ASCII, named by number, or of control.
json() {
    cat >"$3text"
    [ "$(tr -d '\t\n\r\040-\176' <"$3text" | wc -c)" -eq 0 ] || return 1
    tr '\t\n\r' '   ' <"$3text" | prefix=$3 awk -v shape="$1" -v names="$2" '
        function refuse() { refused = 1; exit 1 }
        function punctuation(text) {
            gsub(/ /, "", text)
            if (text !~ /^[][{}:,]*$/) { refuse() }
            return text
        }
        function unescaped(text,    result, count, i, part) {
            count = split(text, part, /\\/)
            result = part[1]
            for (i = 2; i <= count; i++) {
                if (part[i] == "" && i < count) {
                    result = result "\\" part[++i]
                } else if (substr(part[i], 1, 1) in escape) {
                    result = result escape[substr(part[i], 1, 1)] substr(part[i], 2)
                } else { refuse() }
            }
            return result
        }
        BEGIN {
            # "-v" would take a backslash for an escape.
            prefix = ENVIRON["prefix"]
            escape["\""] = "\""; escape["/"] = "/"; escape["n"] = "\n"; escape["r"] = "\r"; escape["t"] = "\t"
            size = split(names, wanted, " ")
            for (i = 1; i <= size; i++) { known[wanted[i]]; object = object (i > 1 ? "," : "") "\"\":\"\"" }
        }
        # JSON within JSON has two in a row: longer ones only make work. So do thousands of texts.
        NR > 1 || /\\\\\\/ { refuse() }
        {
            # Between two quotation marks that are not escaped is a text; what is around them is the structure.
            count = split($0, part, /"/)
            if (count > 4096) { refuse() }
            structure = punctuation(part[1])
            for (i = 2; i <= count; i++) {
                text = part[i]
                while (text ~ /\\$/ && text !~ /\\\\$/) {
                    if (++i > count) { refuse() }
                    text = text "\"" part[i]
                }
                if (++i > count) { refuse() }
                texts[++total] = unescaped(text)
                structure = structure "\"\"" punctuation(part[i])
            }
            objects = total / 2 / size
            for (i = 1; i <= objects; i++) { expected = expected (i > 1 ? "," : "") "{" object "}" }
            if (shape == "list") { expected = "[" expected "]" } else if (objects != 1) { refuse() }
            if (structure != expected) { refuse() }
            for (i = 1; i <= total; i += 2) {
                number = int((i - 1) / 2 / size) + 1
                name = texts[i]
                if (!(name in known) || (number, name) in seen) { refuse() }
                seen[number, name]
                file = prefix number "." name
                printf "%s", texts[i + 1] >file
                close(file)
            }
        }
        END {
            if (refused || NR != 1) { exit 1 }
            print objects
        }
    '
}

# HTTP

# http METHOD PATH ANSWER LIMIT [BODY TYPE]: asks the server, with the content of the file BODY. The answer's body, of no more
# than LIMIT bytes, is in the file ANSWER then, its header in $tmp/header, and its status is $http.
http() {
    answer=$3 limit=$4 exit_code=0
    set -- -q --silent --show-error --globoff --noproxy '*' --proto =http --max-redirs 0 \
        --connect-timeout 10 --speed-limit 1 --speed-time 60 --max-time 1800 --max-filesize "$4" \
        --user-agent "caucase.sh/$VERSION" --request "$1" --header Expect: ${5:+--header "Content-Type: $6"} \
        ${5:+--data-binary "@$5"} --dump-header "$tmp/header" --output "$3" --write-out '%{http_code}' "$ca_url$2"
    : >"$answer"
    # Before curl 8.4 its limit is for answers that announce their length. In blocks of 512 bytes, with room to see that it
    # was exceeded.
    (
        ulimit -f $((limit / 512 + 64)) 2>/dev/null || :
        exec curl "$@"
    ) >"$tmp/status" 2>"$tmp/said" </dev/null || exit_code=$?
    if [ "$exit_code" -eq 63 ] || [ "$(wc -c <"$answer")" -gt "$limit" ]; then
        fail "The answer of $ca_url is larger than $limit bytes." "$IS_IT_OURS"
    elif [ "$exit_code" -ne 0 ]; then
        complain "No answer from $ca_url: $(first_line "$tmp/said")." "Is caucased running there?"
        exit "$UNREACHABLE"
    fi
    http=$(cat "$tmp/status")
}

# Fails unless the last answer was a good one.
accepted() {
    case $http in 2??) return 0 ;; esac
    hint="The server's journal may say more: journalctl -u caucased."
    case $http in
        3??) detail='it is elsewhere' hint='Give the URL at which it is.' ;;
        *) detail=$(first_line "$answer") ;;
    esac
    case $http in
        404) hint='Is the URL right, and the id? What was rejected or decided is gone.' ;;
        429) hint='Try again a little later.' ;;
        507) hint='Have a user sign or reject some of the requests that wait, then send this one again.' ;;
    esac
    # A page of some proxy is no sentence.
    case $detail in '' | '<'*) detail='it does not say why' ;; esac
    fail "The server refused with $http: $detail." "$hint"
}

get() {
    http GET "$@"
    accepted
}

# Keys and signatures

# readable FILE LIMIT: fails, saying why, unless it is a file that can be read and is no larger.
readable() {
    [ -e "$1" ] || fail "$1: there is no such file." 'Is the name right?'
    [ -f "$1" ] && [ -r "$1" ] || fail "$1: cannot be read." 'Is it a file, and may you read it?'
    [ "$(wc -c <"$1")" -le "$2" ] || fail "$1: is larger than $2 bytes." 'Is it the right file?'
}

# certificate FILE OUT NAME: the only certificate in FILE, and nothing else of it, is in OUT then. NAME is for people.
certificate() (
    [ "$(wc -c <"$1")" -le "$PEM_LIMIT" ] ||
        fail "$3: is larger than $PEM_LIMIT bytes." 'Name a file that holds it, and not much else.'
    number=$(pem CERTIFICATE "$2." <"$1") || fail "$3: the certificate is cut off." "$GET_IT_AGAIN"
    [ "$number" -eq 1 ] ||
        fail "$3: exactly one certificate is expected here, and there are $number." 'Name a file with that one.'
    openssl x509 -in "$2.1" -out "$2" 2>"$tmp/said" || fail "$3: the certificate is not well-formed." "$GET_IT_AGAIN"
)

# request FILE OUT NAME: likewise, with a request, whose signature proves possession of the key (RFC 2986 section 3).
request() (
    number=$(pem 'CERTIFICATE REQUEST' "$2." <"$1") || fail "$3: the certificate signing request is cut off." "$GET_IT_AGAIN"
    [ "$number" -eq 1 ] ||
        fail "$3: exactly one certificate signing request is expected, and there are $number." 'Give each a file of its own.'
    # Before OpenSSL 3 the exit code does not tell.
    openssl req -in "$2.1" -verify -out "$2" >"$tmp/said" 2>&1 || fail "$3: the request is not well-formed." "$GET_IT_AGAIN"
    grep -q 'verify OK$' "$tmp/said" ||
        fail "$3: the request is not signed with the key it names." 'Make another: openssl req -new -key KEY.'
)

# private_key FILE: fails unless there is exactly one key in it, which can be used without a passphrase.
private_key() (
    readable "$1" "$PEM_LIMIT"
    number=$(pem "$PRIVATE_KEY" <"$1") || fail "$1: the private key is cut off." "$GET_IT_AGAIN"
    [ "$number" -eq 1 ] ||
        fail "$1: exactly one private key is expected here, and there are $number." 'Name the file that holds it.'
    if grep -qE '^(-----BEGIN ENCRYPTED |Proc-Type: .*ENCRYPTED)' "$1"; then
        fail "$1: the private key is protected by a passphrase." 'Give it without one.'
    fi
    openssl pkey -in "$1" -noout 2>"$tmp/said" || fail "$1: the private key is not well-formed." "$GET_IT_AGAIN"
)

# Whether the key in the file $2 is that of the certificate in the file $1.
is_pair() {
    public=$(openssl x509 -in "$1" -noout -pubkey 2>/dev/null) &&
        [ "$(openssl pkey -in "$2" -pubout 2>/dev/null)" = "$public" ]
}

# The type of the key of a certificate: rsa, ed25519, or the name of a curve.
key_type() (
    set -e
    openssl x509 -in "$1" -noout -pubkey >"$tmp/public"
    openssl pkey -pubin -in "$tmp/public" -outform DER -out "$tmp/public.der"
    objects=$(openssl asn1parse -inform DER -in "$tmp/public.der" | sed -n 's/.*OBJECT *://p')
    case $objects in
        rsaEncryption) echo rsa ;;
        ED25519) echo ed25519 ;;
        id-ecPublicKey*prime256v1) echo P-256 ;;
        id-ecPublicKey*secp384r1) echo P-384 ;;
        id-ecPublicKey*secp521r1) echo P-521 ;;
        *) fail 'This kind of key is not supported.' 'Use RSA, EC (P-256, P-384, P-521) or Ed25519.' ;;
    esac
)

# signed_message PAYLOAD CRT KEY: the message in its wire form (PROTOCOL, "Signed messages"): PAYLOAD, a file with JSON, signed
# with KEY, which is that of CRT.
signed_message() (
    type=$(key_type "$2")
    { cat "$1" && printf 'sha256 '; } >"$tmp/signed"
    case $type in
        # The longest salt is what -2 means to all versions, when signing.
        rsa) openssl dgst -sha256 -sign "$3" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-2 \
            -out "$tmp/signature" "$tmp/signed" ;;
        ed25519) openssl pkeyutl -sign -rawin -inkey "$3" -in "$tmp/signed" -out "$tmp/signature" ;;
        *) openssl dgst -sha256 -sign "$3" -out "$tmp/signature" "$tmp/signed" ;;
    esac
    payload=$(sed 's/["\\]/\\&/g' "$1")
    signature=$(openssl base64 -A -in "$tmp/signature")
    printf '{"payload": "%s", "digest": "sha256", "signature": "%s"}' "$payload" "$signature"
)

# The content of a PEM file as the inside of a JSON text.
escaped() {
    awk '{ printf "%s\\n", $0 }' "$1"
}

# Whether the message in the files $1.payload, $1.digest and $1.signature is signed with the key of the certificate in $2.
is_signed_by() {
    digest=$(cat "$1.digest") type=$(key_type "$2") &&
        openssl x509 -in "$2" -noout -pubkey >"$1.key" &&
        { cat "$1.payload" && printf '%s ' "$digest"; } >"$1.signed" &&
        # The peer wraps its base64 into lines.
        tr -d ' \t\n\r' <"$1.signature" | openssl base64 -d -A -out "$1.raw" &&
        case $digest in sha256 | sha384 | sha512) ;; *) false ;; esac &&
        case $type in
            rsa) openssl dgst "-$digest" -verify "$1.key" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-2 \
                -signature "$1.raw" "$1.signed" ;;
            ed25519) openssl pkeyutl -verify -rawin -pubin -inkey "$1.key" -sigfile "$1.raw" -in "$1.signed" ;;
            *) openssl dgst "-$digest" -verify "$1.key" -signature "$1.raw" "$1.signed" ;;
        esac >/dev/null 2>&1
}

# Files: replaced at once or not at all, with the owner and mode that they have

# What a path leads to: a symbolic link stays, and what it points to is replaced.
real() {
    if [ -L "$1" ]; then
        readlink -f "$1" || fail "$1: the symbolic link leads nowhere." 'Make the folder that it points into, or remove it.'
    else
        printf '%s\n' "$1"
    fi
}

# A private folder beside a file, from which things are moved into place. Whoever makes one says discard_at_end.
beside() (
    set -e
    folder=$(dirname "$1")
    # What a process has left that was killed: a key may be in it. Dates do not tell, because a clock may have been set.
    for left in "$folder"/.caucase-sh-*; do
        process=${left##*/.caucase-sh-}
        if [ -d "$left" ] && ! kill -0 "${process%%-*}" 2>/dev/null; then rm -rf "$left" || :; fi
    done
    mktemp -d "$folder/.caucase-sh-$$-XXXXXXXX" 2>"$tmp/said" ||
        fail "$folder: $(first_line "$tmp/said")." 'Files are replaced by way of a folder beside them.'
)

discard_at_end() {
    discarded=$1
    trap 'rm -rf "$discarded"' EXIT
    trap 'exit 1' HUP INT TERM
}

owner() {
    # shellcheck disable=SC2012 # stat is not everywhere, and the name is not looked at
    ls -lnd "$1" | awk '{ print $3 ":" $4; exit }'
}

# As chmod takes it, without the bits that are about programs.
mode() {
    # shellcheck disable=SC2012 # likewise
    ls -lnd "$1" | awk '
        function rights(from,    text) {
            text = substr($1, from, 3); gsub(/[st]/, "x", text); gsub(/[^rwx]/, "", text)
            return text
        }
        { print "u=" rights(2) ",g=" rights(5) ",o=" rights(8); exit }
    '
}

# replace FILE NEW [MODE]: gives FILE the content of NEW. After a crash there is the old file or the new one. MODE is that of a
# file that does not exist yet.
replace() (
    target=$(real "$1")
    mode=${3:-644}
    [ ! -e "$target" ] || [ -f "$target" ] || fail "$1: is not a regular file." 'Name another.'
    work=$(beside "$target")
    discard_at_end "$work"
    # A disk may be full.
    cat "$2" >"$work/new" && cmp -s "$2" "$work/new" || fail "$1: could not be written; it is as it was." "$IS_THERE_SPACE"
    if [ -e "$target" ]; then
        mode=$(mode "$target")
        owner=$(owner "$target")
        if [ "$owner" != "$(owner "$work/new")" ]; then
            chown "$owner" "$work/new" || fail "$1: its owner could not be kept." 'Start this as the owner, or as root.'
        fi
    fi
    chmod "$mode" "$work/new"
    sync "$work/new"
    mv -f "$work/new" "$target"
    sync "$(dirname "$target")"
)

# append FILE NEW: likewise, adding to what FILE holds, which may be a key.
append() (
    if [ ! -e "$1" ]; then
        replace "$1" "$2"
        exit
    fi
    work=$(beside "$1")
    discard_at_end "$work"
    cat "$1" >"$work/whole"
    # A line that has no end gets one.
    [ -z "$(tail -c 1 "$1")" ] || echo >>"$work/whole"
    cat "$2" >>"$work/whole"
    replace "$1" "$work/whole"
)

# One renewal in a folder at a time, where there is flock: until the end of the process that says so.
lock() {
    folder=$(dirname "$1")
    command -v flock >/dev/null && [ -r "$folder" ] || return 0
    exec 9<"$folder"
    flock 9
}

# A folder of files, or one file with all of them

is_folder() {
    [ -d "$1" ] || { [ ! -e "$1" ] && case ${1##*/} in ?*.?*) false ;; esac }
}

# keep PATH ENDING ITEMS: PATH is to hold the files in the folder ITEMS, in the order of the names in ITEMS.order, and no
# others; in a folder, those with that ending. What is unchanged is not written again.
keep() (
    if ! is_folder "$1"; then
        while read -r name; do cat "$3/$name"; done <"$3.order" >"$3.all"
        keep_file "$1" "$3.all"
        exit
    fi
    folder=$(real "$1")
    [ -d "$folder" ] || mkdir -m 755 "$folder"
    while read -r name; do keep_file "$folder/$name$2" "$3/$name"; done <"$3.order"
    for file in "$folder"/*"$2"; do
        name=${file##*/}
        [ ! -e "$3/${name%"$2"}" ] && { [ -f "$file" ] || [ -L "$file" ]; } || continue
        note_change
        rm -f "$file"
    done
)

keep_file() {
    cmp -s "$1" "$2" && return
    note_change
    replace "$1" "$2"
}

# What the command of --on-renew has to know

# A change is noted before it is made, so that none is forgotten; as the command caucase does, so either can act upon it.
note_change() {
    [ -n "$on_renew" ] || return 0
    [ -d "$notes" ] || mkdir -m 700 "$notes"
    mktemp "$notes/XXXXXXXXXXXX" >/dev/null
}

# The command may change what it likes; a change that comes meanwhile stays noted.
run_hook() {
    [ -n "$on_renew" ] && [ -d "$notes" ] || return 0
    noted=$(ls "$notes")
    [ -n "$noted" ] || return 0
    (exec "$on_renew") || {
        complain "The on-renew command $on_renew failed with $?." 'What was renewed is in place.'
        exit 3
    }
    for note in $noted; do rm -f "$notes/$note"; done
    rmdir "$notes" 2>/dev/null || :
}

# Which CAs are trusted: caucase/core/trust.py

is_ca() {
    openssl x509 -in "$1" -noout -ext basicConstraints 2>/dev/null | grep -q '^ *CA:TRUE'
}

# Whether one CA signed a certificate, whatever the date. The system's CAs are not asked: see "work".
is_issued_by() {
    openssl verify -no_check_time -check_ss_sig -CAfile "$2" "$1" >/dev/null 2>&1
}

fingerprint() (
    set -e
    text=$(openssl x509 -in "$1" -noout -fingerprint -sha256 2>/dev/null) || text=
    text=${text#*=}
    [ ${#text} -eq 95 ] || fail 'What was written cannot be read.' "Is there space left in ${TMPDIR:-/tmp}?"
    printf '%s\n' "$text"
)

# The subject key identifier (RFC 5280 section 4.2.1.2), in hexadecimal.
key_id() (
    set -e
    text=$(openssl x509 -in "$1" -noout -ext subjectKeyIdentifier | tr -d ': \n' | tr 'A-F' 'a-f')
    text=${text##*dentifier}
    case $text in '' | *[!0-9a-f]*) fail 'A CA certificate has no key identifier.' "$IS_IT_OURS" ;; esac
    printf '%s\n' "$text"
)

# moment TEXT: a date of openssl's, "notBefore=Nov  6 01:02:03 2030 GMT", as 20301106010203.
moment() {
    printf '%s\n' "${1#*=}" | awk '{
        split($3, time, ":")
        printf "%04d%02d%02d%s%s%s\n", $4, (index("JanFebMarAprMayJunJulAugSepOctNovDec", $1) + 2) / 3, $2,
            time[1], time[2], time[3]
    }'
}

# by_age FOLDER LIST: the names of the files in FOLDER that are certificates and still valid, oldest first, to the file LIST.
by_age() (
    for file in "$1"/*; do
        [ -f "$file" ] || continue
        start=$(openssl x509 -in "$file" -noout -startdate)
        # It exits with 1 also if anything else is wrong.
        case $(openssl x509 -in "$file" -noout -checkend 0 || :) in
            *'will not expire'*) printf '%s %s\n' "$(moment "$start")" "${file##*/}" ;;
            *'will expire'*) ;;
            *) fail 'openssl does not tell whether a certificate has expired.' 'Is it OpenSSL 1.1.1 or newer?' ;;
        esac
    done >"$2.dated"
    sort "$2.dated" | sed 's/.* //' >"$2"
)

# read_trusted PATH INTO: the CA certificates that are trusted here, in files named by fingerprint. In a folder those of all
# files count, but for large ones of others.
read_trusted() (
    into=$2
    if [ -d "$1" ]; then
        [ -r "$1" ] && [ -x "$1" ] || fail "$1: cannot be read." 'May you read what is in that folder?'
        set -- "$1"/*
    else
        set -- "$1"
    fi
    for file; do
        [ -f "$file" ] || continue
        case $file in
            *.ca.pem) ;;
            *) [ $# -eq 1 ] || [ "$(wc -c <"$file")" -le "$CA_FILE_LIMIT" ] || continue ;;
        esac
        readable "$file" "$CA_FILE_LIMIT"
        hint='Remove the damaged certificate, or put back the whole.'
        # It must not be mistaken for a first contact.
        number=$(pem CERTIFICATE "$into.stored." <"$file") || fail "$file: a certificate is cut off." "$hint"
        while [ "$number" -gt 0 ]; do
            openssl x509 -in "$into.stored.$number" -out "$into.one" 2>"$tmp/said" ||
                fail "$file: a certificate is damaged." "$hint"
            print=$(fingerprint "$into.one")
            constraints=$(openssl x509 -in "$into.one" -noout -ext basicConstraints 2>"$tmp/said")
            case $constraints in *CA:TRUE*) mv "$into.one" "$into/$print" ;; esac
            number=$((number - 1))
        done
    done
)

check_ca() {
    is_ca "$1" && is_issued_by "$1" "$1" || fail 'What the server presents as a CA certificate is not one.' "$IS_IT_OURS"
}

# decide_trust CONTEXT PATH: the valid CA certificates to trust from now on, those at PATH led on by the server's chain, are in
# $tmp/CONTEXT/trusted, in the order of their age; and in $tmp/CONTEXT/ca as "keep" takes them. Nothing at PATH is changed.
decide_trust() (
    here=$tmp/$1
    mkdir "$here" "$here/accepted" "$here/offered" "$here/trusted" "$here/ca"
    read_trusted "$2" "$here/accepted"
    get "/$1/crt/ca.crt.pem" "$here/answer" "$PEM_LIMIT"
    certificate "$here/answer" "$here/anchor" "The server's CA certificate"
    check_ca "$here/anchor"
    anchor=$(fingerprint "$here/anchor")
    cp "$here/anchor" "$here/offered/$anchor"
    get "/$1/crt/ca.crt.json" "$here/answer" "$CHAIN_LIMIT"
    links=$(json list 'payload digest signature' "$here/" <"$here/answer") ||
        fail "The server's chain of CA certificates cannot be read." "$IS_IT_OURS"
    link=0
    while [ "$((link += 1))" -le "$links" ]; do
        [ "$(json object 'old_pem new_pem' "$here/$link." <"$here/$link.payload")" = 1 ] ||
            fail "The server's chain of CA certificates cannot be read." "$IS_IT_OURS"
        for one in old new; do
            certificate "$here/$link.1.${one}_pem" "$here/$link.$one" "The server's chain of CA certificates"
            print=$(fingerprint "$here/$link.$one")
            cp "$here/$link.$one" "$here/offered/$print"
        done
    done

    # Nothing is trusted yet: the first contact.
    has_any "$here/accepted" || cp "$here/anchor" "$here/accepted/$anchor"
    known=
    for file in "$here/accepted"/*; do if [ -e "$here/offered/${file##*/}" ]; then known=yes; fi; done
    [ -n "$known" ] ||
        fail "None of the server's CA certificates follows from one that is trusted here." "$START_AFRESH"
    by_age "$here/accepted" "$here/names"
    newest=$(tail -n 1 "$here/names")
    [ -z "$newest" ] || [ -e "$here/offered/$newest" ] || fail \
        'The server no longer knows the newest CA certificate that is trusted here: it went back in time.' "$START_AFRESH"
    link=0
    is_on_path=
    while [ "$((link += 1))" -le "$links" ]; do
        print=$(fingerprint "$here/$link.old")
        if [ -e "$here/accepted/$print" ]; then
            is_signed_by "$here/$link" "$here/$link.old" ||
                fail "A link of the server's chain of CA certificates is not signed by the CA before it." "$START_AFRESH"
            check_ca "$here/$link.new"
            print=$(fingerprint "$here/$link.new")
            cp "$here/$link.new" "$here/accepted/$print"
            is_on_path=yes
        elif [ -n "$is_on_path" ]; then
            fail "The server's chain of CA certificates is broken." "$START_AFRESH"
        fi
    done

    by_age "$here/accepted" "$here/names"
    [ -s "$here/names" ] || fail "All CA certificates, the server's and those here, have expired." "$START_AFRESH"
    number=100
    while read -r print; do
        cp "$here/accepted/$print" "$here/trusted/$((number += 1))"
        id=$(key_id "$here/accepted/$print")
        [ -e "$here/ca/$id" ] || printf '%s\n' "$id" >>"$here/ca.order"
        cat "$here/accepted/$print" >>"$here/ca/$id"
    done <"$here/names"
)

has_any() {
    for found in "$1"/*; do [ ! -e "$found" ] || return 0; done
    return 1
}

# Both are decided before either is written: a refusal leaves the files of both as they were.
update_authorities() (
    for one in $contexts; do decide_trust "$one" "$(ca_path "$one")"; done
    for one in $contexts; do keep "$(ca_path "$one")" .ca.pem "$tmp/$one/ca"; done
)

ca_path() {
    case $1 in cas) printf '%s\n' "$ca_crt" ;; cau) printf '%s\n' "$user_ca_crt" ;; esac
}

# check_issued CRT: fails unless a CA that is trusted signed it: HTTP alone proves nothing.
check_issued() (
    for ca in "$tmp/$context/trusted"/*; do
        if is_issued_by "$1" "$ca"; then exit; fi
    done
    fail 'The certificate that the server sent is not signed by a CA that is trusted here.' "$IS_IT_OURS"
)

# Revocation lists: caucase/client/authorities.py

# list_issuer CRL: the key identifier of the trusted CA that signed it; nothing if none did.
list_issuer() (
    set -e
    for ca in "$trusted"/*; do
        # The exit code does not tell.
        openssl crl -in "$1" -noout -CAfile "$ca" >"$tmp/said" 2>&1 || :
        if grep -q '^verify OK$' "$tmp/said"; then
            key_id "$ca"
            exit
        fi
    done
)

# list_claim CRL: the key identifier that it names as its issuer's.
list_claim() {
    openssl crl -in "$1" -noout -text | awk '
        found { gsub(/keyid:|[ :]/, ""); print tolower($0); exit }
        /X509v3 Authority Key Identifier/ { found = 1 }
        /^ *Revoked Certificates/ { exit }
    '
}

# list_age CRL: what grows with each new list, as text: the CRL number (RFC 5280 section 5.2.3), and the date.
list_age() (
    set -e
    number=$(openssl crl -in "$1" -noout -crlnumber)
    date=$(openssl crl -in "$1" -noout -lastupdate)
    date=$(moment "$date")
    printf '%s %s\n' "${number#*=}" "$date" | awk '{
        sub(/^0x/, "", $1)
        if ($1 !~ /^[0-9A-F]+$/) { $1 = 0 }
        while (length($1) < 48) { $1 = "0" $1 }
        print
    }'
)

is_older() {
    awk -v one="$1" -v other="$2" 'BEGIN { exit !(one "" < other "") }'
}

# update_lists CONTEXT PATH: a list that the server does not hand out any more stays, while its CA is trusted.
update_lists() (
    here=$tmp/$1/lists trusted=$tmp/$1/trusted
    mkdir "$here"
    get "/$1/crl" "$here.answer" "$LISTS_LIMIT"
    number=$(pem 'X509 CRL' "$here.new." <"$here.answer") && [ "$number" -gt 0 ] ||
        fail 'The server sent no revocation list.' "$IS_IT_OURS"
    read_lists "$2"
    while [ "$number" -gt 0 ]; do
        openssl crl -in "$here.new.$number" -out "$here.one" 2>"$tmp/said" ||
            fail 'A revocation list that the server sent cannot be read.' "$IS_IT_OURS"
        id=$(list_issuer "$here.one")
        if [ -z "$id" ]; then
            claim=$(list_claim "$here.one")
            for ca in "$trusted"/*; do
                id=$(key_id "$ca")
                [ "$id" != "$claim" ] || fail 'A revocation list is not signed by the CA that it names.' "$IS_IT_OURS"
            done
        else
            age=$(list_age "$here.one")
            if [ -e "$here/$id" ]; then
                other=$(list_age "$here/$id")
                ! is_older "$age" "$other" || fail \
                    'A revocation list is older than the one that is here: the server, or somebody before it, went back in time.' \
                    "If the server was restored from a backup, remove $2 to accept what it has."
            fi
            mv "$here.one" "$here/$id"
        fi
        number=$((number - 1))
    done
    ls "$here" >"$here.order"
    [ -s "$here.order" ] ||
        fail 'The server has no revocation list of a CA that is trusted here.' 'Is its caucased-refresh.timer running?'
    keep "$2" .crl.pem "$here"
)

# read_lists PATH: those that are here, to $here, by issuer. A damaged one is as good as none: the next one replaces it.
read_lists() {
    set -- "$1" "$1"/*.crl.pem
    [ ! -d "$1" ] || shift
    for file; do
        [ -f "$file" ] && stored=$(pem 'X509 CRL' "$here.old." <"$file") || continue
        while [ "$stored" -gt 0 ]; do
            if openssl crl -in "$here.old.$stored" -out "$here.one" 2>/dev/null; then
                id=$(list_issuer "$here.one")
                [ -z "$id" ] || mv "$here.one" "$here/$id"
            fi
            stored=$((stored - 1))
        done
    done
}

# Actions

send_csr() (
    readable "$1" "$PEM_LIMIT"
    request "$1" "$tmp/csr" "$1"
    http PUT "/$context/csr" "$tmp/answer" "$PEM_LIMIT" "$tmp/csr" application/pkcs10
    accepted
    id=$(tr -d '\r' <"$tmp/header" | awk 'tolower($1) == "location:" && NF == 2 { id = $2 } END { print id }')
    is_id "$id" || fail 'The server gave the request no id.' "$IS_IT_OURS"
    printf '%s %s\n' "$id" "$1"
)

get_csr() (
    get "/$context/csr/$1" "$tmp/answer" "$PEM_LIMIT"
    request "$tmp/answer" "$tmp/csr" 'The request that the server sent'
    append "$2" "$tmp/csr"
)

get_crt() (
    http GET "/$context/crt/$1" "$tmp/answer" "$PEM_LIMIT"
    if [ "$http" = 404 ]; then
        http GET "/$context/csr/$1" "$tmp/answer" "$PEM_LIMIT"
        [ "$http" != 404 ] || fail "$1 was not found." 'It may have been rejected, or fetched too long ago to be kept.'
        accepted
        printf '%s CSR still pending\n' "$1"
        exit "$PENDING"
    fi
    accepted
    certificate "$tmp/answer" "$tmp/new" 'The certificate that the server sent'
    check_issued "$tmp/new"
    save_certificate "$2"
    how=manually
    if openssl x509 -in "$tmp/new" -noout -ext certificatePolicies 2>/dev/null |
        grep -qE 'Policy: (1\.3\.6\.1\.4\.1\.37476\.9000\.70|2\.25\.285541874270823339875695650038637483517)\.0(\.0)?$'; then
        how=automatically
    fi
    printf '%s was (originally) %s approved\n' "$1" "$how"
)

# save_certificate FILE: adds the new one to the file with its key, or makes a file with it alone. Repeating it is harmless.
save_certificate() (
    if [ -e "$1" ]; then
        readable "$1" "$PEM_LIMIT"
        number=$(pem CERTIFICATE "$tmp/present." <"$1") || fail "$1: a certificate is cut off." "$GET_IT_AGAIN"
        if [ "$number" -eq 1 ] && openssl x509 -in "$tmp/present.1" -out "$tmp/present" 2>"$tmp/said" &&
            cmp -s "$tmp/present" "$tmp/new"; then
            exit
        fi
        private_key "$1"
        [ "$number" -eq 0 ] || fail "$1: there is another certificate already." 'Name a file that holds the key alone.'
        is_pair "$tmp/new" "$1" ||
            fail "$1: the key is not the one that the certificate is for." 'Name the file with the key that was asked with.'
    fi
    append "$1" "$tmp/new"
)

# read_pair CRT KEY: $crt and $key are the files with a certificate, which is in $tmp/old, and its key. What an interrupted
# "put_pair" left is put right first.
read_pair() {
    crt=$1 key=$2
    readable "$crt" "$PEM_LIMIT"
    certificate "$crt" "$tmp/old" "$crt"
    number=$(pem "$PRIVATE_KEY" <"$crt") || fail "$crt: the private key is cut off." "$GET_IT_AGAIN"
    [ "$number" -eq 0 ] || key=$crt
    private_key "$key"
    hidden=$(hidden "$key")
    is_pair "$tmp/old" "$key" && return
    [ -f "$hidden" ] && is_pair "$tmp/old" "$hidden" ||
        fail "The key in $key is not that of the certificate in $crt." 'Name the two files that belong together.'
    put_key "$hidden" "$tmp/old"
}

# Beside the key, and the same that the command caucase uses.
hidden() (
    set -e
    target=$(real "$1")
    printf '%s/.%s.renewed\n' "$(dirname "$target")" "${target##*/}"
)

# What is in a file beside keys and certificates.
others() {
    pem_exchanged "$PRIVATE_KEY" /dev/null <"$1" | pem_exchanged CERTIFICATE /dev/null
}

# has_exchanged OLD NEW CRT: whether a file is whole, after the key in it was exchanged for that of CRT. A disk may be full, and
# neither openssl nor the awk of busybox notices.
has_exchanged() {
    is_pair "$3" "$2" && [ "$(others "$1")" = "$(others "$2")" ]
}

# put_key NEW CRT: the key in the file NEW, which is that of CRT, into the file $key in place of the old one.
put_key() (
    work=$(beside "$hidden")
    discard_at_end "$work"
    pem_exchanged "$PRIVATE_KEY" "$1" <"$key" >"$work/key"
    has_exchanged "$key" "$work/key" "$2" || fail "$key: could not be written; it is as it was." "$IS_THERE_SPACE"
    replace "$key" "$work/key"
    rm -f "$hidden"
)

# put_pair: the certificate $tmp/new and its key $work/key where the old ones are. One file is replaced at once. Two cannot be, so
# the key first goes to a hidden file beside the old one, then the certificate is replaced, then the key. Wherever that stops,
# either the old pair is in place, or the certificate is new and its key is in the hidden file: "read_pair" finds it.
put_pair() {
    note_change
    if [ "$crt" = "$key" ]; then
        pem_exchanged "$PRIVATE_KEY" "$work/key" <"$crt" >"$work/half"
        pem_exchanged CERTIFICATE "$tmp/new" <"$work/half" >"$work/pair"
        has_exchanged "$crt" "$work/pair" "$work/pair" || fail "$crt: could not be written; it is as it was." "$IS_THERE_SPACE"
        replace "$crt" "$work/pair"
    else
        pem_exchanged CERTIFICATE "$tmp/new" <"$crt" >"$tmp/crt"
        is_pair "$tmp/crt" "$work/key" && [ "$(others "$crt")" = "$(others "$tmp/crt")" ] ||
            fail "$crt: could not be written; it is as it was." "$IS_THERE_SPACE"
        sync "$work/key"
        mv -f "$work/key" "$hidden"
        sync "$(dirname "$hidden")"
        replace "$crt" "$tmp/crt"
        put_key "$hidden" "$tmp/new"
    fi
}

# new_key TYPE FILE
new_key() (
    case $1 in
        rsa) set -- "$2" RSA -pkeyopt "rsa_keygen_bits:$key_len" ;;
        ed25519) set -- "$2" ED25519 ;;
        *) set -- "$2" EC -pkeyopt "ec_paramgen_curve:$1" -pkeyopt ec_param_enc:named_curve ;;
    esac
    new=$1
    shift
    openssl genpkey -out "$new" -algorithm "$@" 2>"$tmp/said" ||
        fail "$new: no key could be made: $(first_line "$tmp/said")." "$IS_THERE_SPACE"
)

renew_crt() (
    lock "$1"
    read_pair "$1" "$2"
    if openssl x509 -in "$tmp/old" -noout -checkend "$threshold" >/dev/null; then
        printf '%s did not reach renew threshold, not renewing\n' "$crt"
        exit
    fi
    type=$(key_type "$tmp/old")
    work=$(beside "$hidden")
    discard_at_end "$work"
    new_key "$type" "$work/key"
    # The server copies what the old certificate says; the request is about the key alone.
    printf '[req]\ndistinguished_name = none\n[none]\n' >"$tmp/openssl.cnf"
    openssl req -new -config "$tmp/openssl.cnf" -key "$work/key" -subj /CN=renewal -out "$tmp/csr" 2>"$tmp/said" ||
        fail "No request could be made: $(first_line "$tmp/said")." "$IS_THERE_SPACE"
    printf '{"crt_pem": "%s", "renew_csr_pem": "%s"}' "$(escaped "$tmp/old")" "$(escaped "$tmp/csr")" >"$tmp/payload"
    signed_message "$tmp/payload" "$tmp/old" "$key" >"$tmp/message"
    http PUT "/$context/crt/renew" "$tmp/answer" "$PEM_LIMIT" "$tmp/message" application/json
    accepted
    certificate "$tmp/answer" "$tmp/new" 'The certificate that the server sent'
    check_issued "$tmp/new"
    is_pair "$tmp/new" "$work/key" ||
        fail 'The certificate that the server sent is not for the key that it was asked for.' "$IS_IT_OURS"
    put_pair
)

revoke_crt() (
    read_pair "$1" "$2"
    printf '{"revoke_crt_pem": "%s"}' "$(escaped "$tmp/old")" >"$tmp/payload"
    signed_message "$tmp/payload" "$tmp/old" "$key" >"$tmp/message"
    http PUT "/$context/crt/revoke" "$tmp/answer" "$PEM_LIMIT" "$tmp/message" application/json
    accepted
)

# The command line

is_id() {
    case $1 in '' | *[!0-9]*) false ;; esac && [ ${#1} -le 20 ]
}

# Whether it can belong to an option: not if it is another one, nor if a variable of the caller was empty.
is_value() {
    case $1 in '' | -*) false ;; esac
}

# walk ACTION ARGUMENT...: does what the arguments say for that action, in their order; without one, takes in the options and
# finds what is wrong.
walk() {
    wanted=$1
    shift
    while [ $# -gt 0 ]; do
        case $1 in
            --*=*)
                option=${1%%=*} value=${1#*=}
                shift
                set -- "$option" "$value" "$@"
                ;;
        esac
        option=$1
        shift
        values=1
        case $option in
            -h | --help) help && exit ;;
            --version) printf '%s\n' "$VERSION" && exit ;;
            --update-user) values=0 ;;
            --get-csr | --get-crt | --revoke-crt | --renew-crt) values=2 ;;
            --ca-url | --ca-crt | --user-ca-crt | --crl | --user-crl | --send-csr) ;;
            --mode | --threshold | --key-len | --on-renew) ;;
            --user-key | --require-https-ca | --list-* | --show-csr | --sign-* | --reject-* | --revoke-other-crt | \
                --revoke-serial | --status | --json | --expiring | --name)
                misused "$option is for the command caucase: this one cannot show what a decision is about"
                ;;
            -*) misused "there is no option $option" ;;
            *) misused "$option is no option, and belongs to none" ;;
        esac
        case $values${1-}${2-} in *"$newline"*) misused "an argument of $option has several lines" ;; esac
        [ "$values" -lt 1 ] || is_value "${1-}" || misused "$option needs $values argument(s)"
        [ "$values" -lt 2 ] || is_value "${2-}" || misused "$option needs $values argument(s)"
        case $option in
            --send-csr)
                while [ $# -gt 0 ]; do
                    case $1 in -*) break ;; '') misused "an argument of $option is empty" ;; esac
                    if [ "$wanted" = "$option" ]; then attempt send_csr "$1"; fi
                    shift
                done
                continue
                ;;
            --get-*) is_id "$1" || misused "'$1' is no id of a request: those are numbers" ;;
        esac
        if [ -z "$wanted" ]; then
            case $option in
                --ca-url) ca_url=$1 ;;
                --ca-crt) ca_crt=$1 ;;
                --user-ca-crt) user_ca_crt=$1 ;;
                --crl) crl=$1 ;;
                --user-crl) user_crl=$1 ;;
                --update-user) update_user=yes ;;
                --mode) mode=$1 ;;
                --threshold) threshold=$1 ;;
                --key-len) key_len=$1 ;;
                --on-renew) on_renew=$1 ;;
            esac
        elif [ "$wanted" = "$option" ]; then
            case $option in
                --get-csr) attempt get_csr "$1" "$2" ;;
                --get-crt) attempt get_crt "$1" "$2" ;;
                --revoke-crt) attempt revoke_crt "$1" "$2" ;;
                --renew-crt) attempt renew_crt "$1" "$2" ;;
            esac
        fi
        shift "$values"
    done
}

check_options() {
    for command in curl openssl awk basename cat chmod cmp cp dirname grep ls mkdir mktemp mv rm rmdir sed sort sync tail \
        tr wc; do
        command -v "$command" >/dev/null || fail "The command $command is needed." 'Install its package.'
    done
    case $ca_url in
        '') misused '--ca-url is needed' ;;
        https://*) misused "'$ca_url' does not start with http://: everything goes over HTTP, and what matters is signed" ;;
        http://[!/]*) ;;
        *) misused "'$ca_url' does not start with http://, as in http://ca.example.com:8009" ;;
    esac
    case ${ca_url#http://} in
        *[!][A-Za-z0-9._~:/%+-]*) misused "'$ca_url' has more than a host, a port and a path" ;;
    esac
    while [ "$ca_url" != "${ca_url%/}" ]; do ca_url=${ca_url%/}; done
    case $threshold in '' | . | *[!0-9.]* | *.*.*) misused "'$threshold' is no number of days" ;; esac
    threshold=$(awk -v days="$threshold" 'BEGIN { if (days <= 36500) { printf "%.0f", days * 86400 } }')
    [ -n "$threshold" ] || misused '--threshold is at most 36500'
    case $key_len in '' | *[!0-9]* | ?????*) key_len=0 ;; esac
    [ "$key_len" -ge 2048 ] && [ "$key_len" -le 8192 ] || misused '--key-len is from 2048 to 8192'
    contexts=cas
    case $mode in
        service) context=cas ;;
        user) context=cau contexts='cas cau' ;;
        *) misused "--mode is service or user, not '$mode'" ;;
    esac
    [ -z "$update_user" ] || contexts='cas cau'
    # A folder can have both CA certificates and lists.
    for pair in "$ca_crt//$user_ca_crt" "$crl//$user_crl" "$ca_crt//$crl" "$ca_crt//$user_crl" \
        "$user_ca_crt//$crl" "$user_ca_crt//$user_crl"; do
        [ "${pair%%//*}" = "${pair#*//}" ] || continue
        case $pair in "$ca_crt//$user_ca_crt" | "$crl//$user_crl") ;; *) ! is_folder "${pair%%//*}" || continue ;; esac
        misused "'${pair#*//}' is given for two different things"
    done
    notes=$(dirname "$ca_crt")/.$(basename "$ca_crt").on-renew
}

# attempt ACTION ARGUMENT...: a failure is told and counted, and does not keep the others from being done; a server that gives no
# answer does.
attempt() {
    set +e
    (
        set -e
        "$@"
    )
    code=$?
    set -e
    case $code in
        0) ;;
        "$PENDING") [ "$status" -ne 0 ] || status=2 ;;
        "$UNREACHABLE") exit 1 ;;
        *) status=1 ;;
    esac
}

# The order of the command caucase: trust first, then the actions, then the lists, which so include what was just revoked.
work() {
    umask 077
    # shellcheck disable=SC3045 # no core dumps with keys; dash, busybox, bash and ksh have it
    ulimit -c 0
    # The system's store of certificate authorities is never consulted, by no version of OpenSSL.
    LC_ALL=C SSL_CERT_FILE=/dev/null SSL_CERT_DIR=$tmp/no-system-cas
    export LC_ALL SSL_CERT_FILE SSL_CERT_DIR
    status=0
    attempt update_authorities
    [ "$status" -eq 0 ] || exit "$status"
    for action in --send-csr --get-csr --get-crt --revoke-crt --renew-crt; do walk "$action" "$@"; done
    attempt update_lists cas "$crl"
    [ -z "$update_user" ] || attempt update_lists cau "$user_crl"
    exit "$status"
}

main() {
    newline='
'
    ca_url='' ca_crt=cas.crt.pem user_ca_crt=cau.crt.pem crl=cas.crl.pem user_crl=cau.crl.pem
    update_user='' mode=service threshold=31 key_len=2048 on_renew=''
    walk '' "$@"
    check_options
    tmp=$(mktemp -d "${TMPDIR:-/tmp}/caucase-sh-XXXXXXXX")
    trap 'rm -rf "$tmp"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    set +e
    (
        set -e
        work "$@"
    ) </dev/null
    status=$?
    set -e
    # Also after a failure: a service must never go on with a certificate that was renewed without its knowing.
    run_hook
    exit "$status"
}

main "$@"
