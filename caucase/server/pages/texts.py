"""All words of the pages, in English, in one place: who translates them translates this.

``{field}`` stands for a value, which the template puts there, escaped and set apart.
"""

from __future__ import annotations

from types import SimpleNamespace

language = "en"

frame = SimpleNamespace(
    brand="Certificate authority",
    skip="Skip to the content",
    navigation="Pages",
    as_user="You are {user}.",
    as_nobody="You are looking at what everybody may see. Whoever has a user's certificate in this browser sees more.",
    how="How to get in",
    refused="Your certificate is not accepted: {reason} You are looking at what everybody may see.",
    elsewhere="This server calls itself {address}. Here, under another name, nothing can be changed:",
    elsewhere_link="open this page there.",
    no_script="Without JavaScript you can read everything here, and change nothing.",
    footer="Times are in UTC. Made at {now}.",
    odd="Characters that are not ASCII, or cannot be seen:",
    folded="all {number} characters",
)

navigation = SimpleNamespace(
    overview="Authority",
    trust="How to trust it",
    requests="Requests",
    issued="Certificates",
    record="Record",
    consents="Web applications",
)

times = SimpleNamespace(
    moment="just now",
    until="in {words}",
    since="{words} ago",
    units={
        "days": ("{number} day", "{number} days"),
        "hours": ("{number} hour", "{number} hours"),
        "minutes": ("{number} minute", "{number} minutes"),
    },
)

consent = SimpleNamespace(
    title="Allow a web application to use {server}?",
    asks="Pages of {origin} ask to use the certificate authority {server} with your rights.",
    as_user="They would act as {user}, the certificate that your browser shows here.",
    as_nobody="Your browser shows no user's certificate here, so they could do no more than anybody. Once it shows one, you are asked again.",
    if_allowed="If you allow it, they can, without asking you again:",
    rights=(
        "read which requests wait, what was issued, and who decided on it;",
        "sign and reject requests, also those for new users, who can then do all of this themselves;",
        "revoke certificates.",
    ),
    never="They get no private key, neither yours nor the authority's, and can allow nothing to other pages.",
    until="This holds in this browser for {days} days, until {end}, or until you take it back:",
    link="what you have allowed and denied.",
    clear="Pages of this origin are sent without encryption: whoever is on the way can change them, and so use your rights.",
    known_allowed="You have allowed this until {end}.",
    known_denied="You have denied this until {end}.",
    advice="Only allow this if you know these pages and trust them.",
    deny="Deny",
    allow="Allow",
    cookies="If you have allowed this before and are asked again, your browser may be refusing third-party cookies.",
)

consents = SimpleNamespace(
    title="Web applications that may use your rights",
    intro="Pages of other origins can use this certificate authority with your certificate only if you have allowed it. What you have answered is kept in this browser, for {days} days each.",
    nothing="You have answered nothing yet in this browser, or taken it all back.",
    caption="What you have answered",
    origin="Origin",
    answer="Your answer",
    until="Until",
    action="Change",
    allowed="Allowed",
    denied="Denied",
    take_back="Take back",
    forget="Ask me again",
    of_origin="of {origin}",
    listed="Without asking anybody, because the operator has listed them (cors_whitelist):",
    after="Whoever has something taken back has to ask you again.",
)

problem = SimpleNamespace(
    title="This page cannot be shown",
    titles={
        400: "This cannot be understood",
        401: "This needs a user's certificate",
        404: "There is nothing here (any more)",
    },
    how="How to get in",
    steps=(
        "Have a user's certificate: ask for one with caucase --mode user --send-csr, and let another user sign it.",
        "Put key and certificate together: openssl pkcs12 -export -inkey KEY.pem -in CERTIFICATE.pem -out user.p12",
        "Import user.p12 into this browser, among your own certificates.",
        "Close all windows of this browser, because it remembers that it showed none; come back, and choose the certificate.",
    ),
    back="To the certificate authority",
)

contexts = {
    "cas": SimpleNamespace(
        title="Services (CAS)",
        what="Signs the certificates of servers and clients. This is the one to trust.",
    ),
    "cau": SimpleNamespace(
        title="Users (CAU)",
        what="Signs the certificates of those who decide here: they sign, reject and revoke.",
    ),
    "https": SimpleNamespace(
        title="This server (HTTPS)",
        what="Signs the certificate of this server's HTTPS and nothing else; it cannot speak for another host.",
    ),
}

phases = {
    "known": SimpleNamespace(word="known", meaning="Handed out, so that everybody knows it before it signs."),
    "signs": SimpleNamespace(word="signs", meaning="Signs what is issued now."),
    "trusted": SimpleNamespace(
        word="trusted",
        meaning="Signs nothing more but its revocation lists; what it signed is still valid.",
    ),
}

overview = SimpleNamespace(
    title="The authority and its life",
    intro="Each CA certificate is replaced in time, and the next one is handed out before it signs.",
    trust="How to trust it",
    legend="In the pictures",
    picture="The lives of the CA certificates of {name}",
    ca="CA {number}",
    now="now, {day}",
    next="next CA {day}",
    in_words="The same in words",
    phase="CA {number} {phase} from {start} until {end}.",
    due="The next CA is made at {due}.",
    subject="Subject",
    role="Now",
    anchor="It is the one that is handed out as the one to trust, because it is the oldest.",
    valid="Valid",
    from_to="from {start} until {end}",
    fingerprint="SHA-256 fingerprint",
    file="File",
    pem="PEM",
    der="DER",
    lists="Revocation lists of {name}",
    issuer="Signed by",
    number="Number",
    this_update="Made",
    next_update="Valid until",
    list_of="list of CA {number}",
)

trust = SimpleNamespace(
    title="How to trust this authority",
    warning="Whoever trusts these certificates believes every name in whatever the users of this authority sign: only install them where that is wanted.",
    automatic="The commands of caucase fetch new CA certificates by themselves, and check that the old one vouches for each: what follows is for everything else, and has to be repeated when a new one is known.",
    fetch="1. Fetch and compare",
    fingerprint="SHA-256",
    compare="The fingerprints must be those that the operator has told you in another way, by telephone for example: this page proves nothing as long as you do not trust the authority. Install all of them.",
    install="2. Install",
    own="This page itself",
    own_what="The certificate of {server}, which you are looking at now, comes from another CA, which can speak for this one host. Browsers that shall open this page without a warning need it, and nobody else:",
)

systems = {
    "debian": SimpleNamespace(title="Debian, Ubuntu", steps=""),
    "fedora": SimpleNamespace(title="Fedora, Red Hat Enterprise Linux", steps=""),
    "arch": SimpleNamespace(title="Arch Linux, openSUSE", steps=""),
    "macos": SimpleNamespace(title="macOS", steps=""),
    "windows": SimpleNamespace(title="Windows", steps="In a command prompt of an administrator:"),
    "firefox": SimpleNamespace(
        title="Firefox",
        steps="Settings, Privacy & Security, Certificates, View Certificates, Authorities, Import; then: Trust this CA to identify websites.",
    ),
    "chromium": SimpleNamespace(
        title="Chromium, Chrome on Linux",
        steps="With certutil of the package libnss3-tools:",
    ),
    "phone": SimpleNamespace(
        title="Android, iOS",
        steps="Open a file above with the telephone. Android: Settings, Security, Encryption & credentials, Install a certificate, CA certificate. iOS: install the profile, then Settings, General, About, Certificate Trust Settings.",
    ),
    "java": SimpleNamespace(title="Java", steps=""),
    "curl": SimpleNamespace(title="curl, and other programs that take a file", steps=""),
    "python": SimpleNamespace(
        title="Python", steps="With that file; ssl reads the first variable, requests the second."
    ),
    "node": SimpleNamespace(title="Node.js", steps="With that file:"),
    "git": SimpleNamespace(title="Git", steps="With that file:"),
}

act = SimpleNamespace(
    cancel="Cancel",
    failed="The server did not do it:",
    refused="The server does not accept your certificate:",
    unreachable="The server cannot be reached, or not with your certificate. Whether it was done cannot be told: load this page again.",
)

states = {
    "valid": "valid",
    "soon": "ends within 14 days",
    "expired": "expired",
    "revoked": "revoked",
}

kinds = {
    "signed": "signed",
    "automatic": "signed automatically",
    "renewed": "renewed",
    "imported": "issued before there was a record",
    "revoked": "revoked",
}

fates = {"kept": "as asked", "changed": "changed", "dropped": "dropped", "added": "added"}

requests = SimpleNamespace(
    title="Requests that wait",
    caption="{number} waiting for somebody's decision",
    subject="Subject",
    context="For",
    names="Names",
    key="Key",
    received="Came",
    address="From",
    changes="Extensions",
    altered="{number} not as asked",
    unaltered="as asked",
    unnamed="without a subject",
    nothing="Nothing waits for a decision.",
)

request = SimpleNamespace(
    title="Request for a certificate",
    back="All requests that wait",
    context="For",
    meaning={
        "cas": "Whoever trusts this authority will believe whoever has the key.",
        "cau": "Whoever has the key may then sign, reject and revoke as you may.",
    },
    subject="Subject",
    names="Names",
    usages="Usages asked for",
    key="Key",
    key_id="Key identifier",
    signature="Signed with",
    came="Came",
    from_at="from {address}, {at}",
    life="Valid for",
    days="{days} days at most",
    ignored="Ignored",
    nothing="none",
    critical="critical",
    would_be="What would be issued",
    subject_stays="Subject and names stay as asked: you decide whether they are right.",
    extensions="What becomes of each extension",
    extension="Extension",
    fate="Outcome",
    asked="Asked for",
    issued="Issued",
    similar="Similar certificates",
    similar_caption="Issued with the same key, the same subject or one of the names, among the last few thousand",
    none_similar="None of the last few thousand certificates has the same key, the same subject or one of the names.",
    pem="The request itself (PEM)",
    decide="Your decision",
    sign="Sign",
    signed="Signed. Whoever has made the request can fetch the certificate now.",
    change="Sign with changes…",
    reject="Reject",
    reject_title="Reject this request?",
    reject_what="It is forgotten. Whoever has made it is not told, and can send it again.",
    rejected="Rejected.",
    following="The next request",
)

changes = SimpleNamespace(
    title="Sign with changes",
    back="The request as it is",
    intro="The certificate gets the key of the request, and says what you write here. Look at what would be issued before you sign.",
    mistakes="This cannot be issued: see below what is wrong.",
    result="What would be issued",
    again="Change it again",
    left_out="These names cannot be written here, and are left out:",
    usage="Key usages",
    purpose="Extended key usages",
    others="Other extended key usages",
    help={
        "subject": "Such as CN=www,O=Example, with a backslash before a comma that belongs to a value. May be empty if there are names.",
        "names": "One a line: DNS name, IP address, e-mail address, or URI: and a URI.",
        "usage": "What the key may do. None chosen: the certificate says nothing of it.",
        "purpose": "What the certificate is for. None chosen: the certificate says nothing of it.",
        "others": "OIDs, one a line.",
    },
    look="See what would be issued",
    sign="Sign this",
)

issued = SimpleNamespace(
    title="Certificates that were issued",
    search="Subject, name or serial number contains",
    state="State",
    any="any",
    find="Find",
    caption="{name}, the newest first",
    subject="Subject",
    names="Names",
    until="Ends",
    how="How",
    by="by {user}",
    more="and {number} more",
    unnamed="serial number {serial}",
    nothing="There is no such certificate.",
    paging="Other pages",
    newest="Newest",
    older="Older",
    go_on="Nothing was found among the entries that were looked at; older ones have not been looked at yet.",
)

certificate = SimpleNamespace(
    title="Certificate",
    back="All certificates",
    serial="Serial number",
    valid="Valid",
    ends="until {end}",
    issued="Issued",
    address="Asked for from",
    renewed_from="Renewed from",
    issuer="Key identifier of the CA",
    revoked="Revoked",
    revoked_from="from {address}",
    unknown="unknown",
    renewals="Made of this one with its key",
    renewals_stay="Revoking this one does not revoke those: whoever has stolen the key may have them.",
    decide="Revocation",
    revoke="Revoke",
    revoke_title="Revoke this certificate for good?",
    revoke_what="Nobody can take that back. Whoever checks revocation refuses it from the next list on, and it cannot be renewed any more.",
    revoke_own="This is your own certificate: you cannot do anything here afterwards.",
    revoke_done="Revoked. It is on the next list, which is made as soon as somebody asks for it.",
)

record = SimpleNamespace(
    title="Who did what",
    intro="Everything that was issued and revoked. Requests that came and were rejected are in the server's journal:",
    search="Who decided contains",
    caption="{name}, the newest first",
    number="Entry",
    at="When",
    what="What",
    who="Who decided",
    where="From",
    certificate="Certificate",
    holder="its holder",
    nobody="nobody",
    nothing="There is no such entry.",
)
