//! What the smaller bodies say.

use super::{
    body::{
        Case, Field,
        Kind::{Address, Flag, Integer, Loose, Some, Text, Whole, Word},
        Object, needs, object, takes,
    },
    new_job::{ALLOW_HOSTS, ARGUMENTS, LANGUAGE, RUN_LIMITS},
};
use crate::{keys::RATE_MAX, webhooks::EVENTS};

const ANY_LENGTH: usize = usize::MAX;

pub(super) static SECRET: Object =
    object("SecretValue", &[needs("value", Text(1, ANY_LENGTH), "It is never shown again")]);

const ROLE: Field = takes("role", Word(&["user", "app", "keeper", "admin"]), "What it may do; user");
const RATE: Field = takes("rate_limit", Whole(1, RATE_MAX), "Requests per minute");

pub(super) static NEW_KEY: Object =
    object("NewApiKey", &[needs("owner", Address, "Whose it will be"), ROLE, RATE]);
pub(super) static KEY_CHANGE: Object = object(
    "ApiKeyChange",
    &[
        RATE,
        takes("rateLimit", Whole(1, RATE_MAX), "The same, as older clients call it"),
        takes("is_active", Flag, "false revokes it for good"),
        takes("isActive", Flag, "The same, as older clients call it"),
    ],
);

const URL: &str = "Where changes are sent: https, or what the operator lists";
const TOLD: Field = takes("events", Some(&EVENTS), "What it is told; how tasks end");
pub(super) static NEW_WEBHOOK: Object = object(
    "NewWebhook",
    &[
        needs("url", Text(1, 2_000), URL),
        TOLD,
        takes("user_address", Address, "Whose tasks; those of the key's owner"),
    ],
);
pub(super) static WEBHOOK_CHANGE: Object =
    object("WebhookChange", &[takes("url", Text(1, 2_000), URL), TOLD]);

const EMAIL: &str = "Where mail reaches them; empty: nowhere";
const KEEPER: Field = needs("keeper_address", Address, "The keeper");
const NAME: Field = needs("keeper_name", Text(3, ANY_LENGTH), "3 to 50 characters");
const IMUA: Field = takes("on_imua", Flag, "Recorded, and nothing follows from it");
pub(super) static NEW_EMAIL: Object = object(
    "NewEmail",
    &[needs("user_address", Address, "The user"), needs("email_id", Text(0, ANY_LENGTH), EMAIL)],
);
pub(super) static NEW_KEEPER: Object =
    object("NewKeeper", &[KEEPER, NAME, takes("email_id", Text(0, ANY_LENGTH), EMAIL), IMUA]);
pub(super) static KEEPER_FORM: Object = object(
    "KeeperForm",
    &[
        KEEPER,
        NAME,
        takes("email_id", Text(0, ANY_LENGTH), EMAIL),
        needs("rewards_address", Address, "Where rewards go"),
        IMUA,
    ],
);
pub(super) static CHAT: Object =
    object("KeeperChat", &[KEEPER, needs("chat_id", Integer, "The chat; those of groups are negative")]);

pub(super) static SIGN_IN: Object = object(
    "SignIn",
    &[
        needs("message", Text(1, ANY_LENGTH), "Of EIP-4361, with a nonce from /api/auth/nonce"),
        needs("signature", Text(1, ANY_LENGTH), "65 bytes in hexadecimal digits"),
    ],
);
pub(super) static CLAIM: Object = object(
    "Claim",
    &[
        needs("wallet_address", Address, "Who gets coins"),
        needs("network", Loose(1, ANY_LENGTH), "Of which chain, by its name or number"),
    ],
);

pub(super) static NEW_MODULE: Object = object(
    "NewModule",
    &[
        takes("source", Text(1, ANY_LENGTH), "The script as text; this or wasm_base64"),
        takes("wasm_base64", Text(1, ANY_LENGTH), "WebAssembly in base64"),
        LANGUAGE,
        RUN_LIMITS,
    ],
);
pub(super) static RUN: Object = object(
    "NewRun",
    &[
        ARGUMENTS,
        LANGUAGE,
        takes("due", Loose(0, ANY_LENGTH), "The instant that it is told, RFC 3339; now"),
        ALLOW_HOSTS,
        RUN_LIMITS,
    ],
);
pub(super) static CODE: Object = Object {
    name: "Code",
    fields: &[
        needs("code", Text(1, ANY_LENGTH), "The script's source"),
        takes("task_definition_id", Whole(1, 7), "The kind of job that it is for; 2"),
        LANGUAGE,
        takes("is_safe", Flag, "Whether the job acts through a Safe"),
        takes("target_function", Loose(0, ANY_LENGTH), "What its answer has to fit"),
        takes("abi", Loose(0, ANY_LENGTH), "ABI of the contract"),
        ALLOW_HOSTS,
        RUN_LIMITS,
    ],
    cases: &[Case {
        when: &[("is_safe", &["true"])],
        fields: &[needs("selected_safe", Address, "The Safe")],
    }],
};
