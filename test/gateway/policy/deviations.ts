/** Calls that a template denies or holds as they are plainly spelled, and every way that we know to spell them otherwise. */
import { Arbitrary, Schema } from "effect"
import type { Call } from "./policyDocument.ts"

type Params = Record<string, unknown>

const zeroWidth = ["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u180e", "\u3164", "\u115f"]

const fullwidth = (text: string) =>
  text.replace(/[!-~]/g, (character) => String.fromCodePoint(character.charCodeAt(0) + 0xfee0))

const mathematical = (text: string) =>
  text.replace(/[a-z]/g, (character) => String.fromCodePoint(0x1d41a + character.charCodeAt(0) - 97))

const circled = (text: string) =>
  text.replace(/[a-z]/g, (character) => String.fromCodePoint(0x24d0 + character.charCodeAt(0) - 97))

const homographs: Record<string, string> = { a: "а", e: "е", o: "ο", c: "с", i: "і", m: "м", t: "т" }
const homograph = (text: string) => text.replace(/[aeocimt]/, (character) => homographs[character]!)

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

/** Spellings of a name that still read like it. */
const names = (name: string): ReadonlyArray<string> => [
  name.toUpperCase(),
  capital(name),
  name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
  name.replaceAll("_", "-"),
  `${name} `,
  `\t${name}\n`,
  `${name}.`,
  `${name}!`,
  `_${name}_`,
  `"${name}"`,
  ...zeroWidth.map((character) => name.slice(0, 1) + character + name.slice(1)),
  fullwidth(name),
  mathematical(name),
  circled(name),
  homograph(name),
  name.normalize("NFD").replace(/a/, "a\u0301").replace(/o/, "o\u0308")
]

/** Places for a field where it is nested or stands beside another of its name. */
const places = (name: string, value: unknown, harmless: unknown): ReadonlyArray<Params> => [
  ...names(name).flatMap((spelling) => [
    { [spelling]: value },
    { [name]: harmless, [spelling]: value },
    { [spelling]: harmless, [name]: value }
  ]),
  { payload: { [name]: value } },
  { payload: { deep: [{ er: { [capital(name)]: value } }] } },
  { [name]: harmless, items: [{ [name]: harmless }, { [name]: value }] },
  { items: [[[{ [name]: value }]]] },
  { [`payload.${name}`]: value },
  { [`/payload/${name}`]: value },
  { [`payload[${name}]`]: value },
  JSON.parse(`{"__proto__":{${JSON.stringify(name)}:${JSON.stringify(value)}}}`)
]

/** What a quantity may be written as, so that comparing it goes wrong. */
const quantities = (value: number): ReadonlyArray<unknown> => [
  String(value),
  ` ${value} `,
  `${value}.00`,
  `€ ${value}`,
  value.toExponential(),
  `0x${value.toString(16)}`,
  `0b${value.toString(2)}`,
  fullwidth(String(value)),
  "",
  "NaN",
  "Infinity",
  "∞",
  [value],
  [[value]],
  [],
  [1, value],
  { value },
  { valueOf: value },
  { amount: String(value) },
  {},
  true,
  false,
  null,
  NaN,
  Infinity,
  -Infinity,
  -value,
  -1,
  -0.01,
  2 ** 53,
  2 ** 53 + 2,
  1e300,
  Number.MAX_VALUE,
  "9".repeat(400)
]

/** A blocked address, at a look-alike of its domain or in a form that a mail program may read otherwise. */
const addresses = (local: string, domain: string): ReadonlyArray<unknown> => {
  const plain = `${local}@${domain}`
  const [label, tld] = domain.split(".") as [string, string]
  const texts = [
    plain,
    plain.toUpperCase(),
    `${plain}.`,
    ` ${plain} `,
    `Ann <${plain}>`,
    `"Ann, of Corp" <${plain}>`,
    `<${plain}>`,
    `mailto:${plain}`,
    `mailto:${plain}?cc=x`,
    `(${plain})`,
    `[${plain}]`,
    `ann@corp.example,${plain}`,
    `ann@corp.example;${plain}`,
    `ann@corp.example ${plain}`,
    `ann@corp.example\n${plain}`,
    `ann@corp.example\u00a0${plain}`,
    `ann@corp.example\uff1b${plain}`,
    `ann@corp.example, ${local}\uff20${domain}`,
    `ann@corp.example, ${local}\ufe6b${domain}`,
    `ann@corp.example <${plain}>`,
    `${plain} <ann@corp.example>`,
    `Undisclosed: ann@corp.example, ${plain};`,
    `@corp.example:${plain}`,
    `${local}@corp.example@${domain}`,
    `${local}%${domain}@corp.example`,
    `corp.example!${plain}`,
    `${local}@ ${domain}`,
    `${local} @${domain}`,
    `${local}@${label} . ${tld}`,
    `${local}@${label}.\r\n ${tld}`,
    `${local}@${label}(comment).${tld}`,
    `${local}(comment)@${domain}`,
    `${local}@${fullwidth(domain)}`,
    `${local}@${fullwidth(label)}.${tld}`,
    `${local}@${label}\u3002${tld}`,
    `${local}@${label}\uff0e${tld}`,
    `${local}@${mathematical(label)}.${tld}`,
    `${local}@${circled(label)}.${tld}`,
    `${local}@${homograph(label)}.${tld}`,
    `${local}@xn--${label}-9ce.${tld}`,
    `${local}@${label}.xn--p1ai`,
    `${local}@[192.0.2.7]`,
    `${local}@192.0.2.7`,
    `${local}@${label}`,
    `${local}@-`,
    `${local}@${domain}..`,
    `${local} at ${label} dot ${tld}`,
    `=?utf-8?q?${local}=40${domain}?=`,
    encodeURIComponent(plain),
    ...zeroWidth.flatMap((character) => [
      `${local}@${label.slice(0, 2)}${character}${label.slice(2)}.${tld}`,
      `${local}@${domain}${character}`,
      `${local}${character}@${domain}`,
      `${local}@${character}${domain}`
    ])
  ]
  return [
    ...texts,
    ...texts.map((text) => ["ann@corp.example", text]),
    { email: plain },
    { address: plain, name: "Ann" },
    [{ email: plain }],
    [[plain]],
    [["ann@corp.example"], [plain]],
    { 0: plain },
    7,
    true
  ]
}

const polite = { to: "ann@corp.example", body: "This is an AI-generated mail." }

const mail = (params: Params, tool = "email"): readonly [string, Call] => [
  "email",
  { tool, params: { ...polite, ...params } }
]

const quantity = (template: string, field: string, value: number, call: Call = {}) =>
  [...places(field, value, 1), ...quantities(value).map((written) => ({ [field]: written }))]
    .map((params): readonly [string, Call] => [template, { ...call, params }])

/** Each is of a template, and must be denied or held by it. */
export const deviations: ReadonlyArray<readonly [template: string, call: Call]> = [
  ...["delete", "destroy", "purge", "drop"].flatMap((method) =>
    names(method).map((spelling): readonly [string, Call] => ["general", { method: spelling }])
  ),

  ...quantity("financial", "amount", 9000),
  ...quantity("financial", "amount", 150, { businessHours: false }).filter(([, { params }]) =>
    params?.amount !== 150 && !Number.isNaN(params?.amount)
  ),
  ...places("currency", "USD", "EUR").map((params): readonly [string, Call] => ["financial", { params }]),
  ...["eur", "EUR ", "E\u200bUR", fullwidth("EUR"), ["EUR"], { code: "EUR" }, null, 978].map((currency) =>
    ["financial", { params: { currency } }] as const
  ),

  ...addresses("ann", "gmail.com").flatMap((to) => [mail({ to }), mail({ cc: to }), mail({ recipients: to })]),
  ...["to", "cc", "bcc", "recipient", "recipients"].flatMap((field) =>
    places(field, "ann@gmail.com", "ann@corp.example").map((params) => mail(params))
  ),
  ...["email", "gmail", "resend"].flatMap((tool) => names(tool)).map((tool) => mail({ to: "ann@gmail.com" }, tool)),

  ...[...names("delete"), ...names("export")].map((method): readonly [string, Call] => ["crm", { method }]),
  ...quantity("crm", "record_count", 100),
  ...[
    ...places("fields", { owner: 1 }, { phone: 1 }),
    ...[...names("owner"), "contact.owner", "/owner", "owner.id", "owner[0]"].map((key) => ({ fields: { [key]: 1 } })),
    { fields: { contact: { owner: 1 } } },
    { fields: [{ owner: 1 }] },
    { fields: [{ name: "owner", value: 1 }] },
    ...[["owner"], "owner", "owner=1", 7, true].map((fields) => ({ fields }))
  ].map((params): readonly [string, Call] => ["crm", { params }]),

  ...quantity("data_access", "limit", 10_001),
  ...places("region", "us-east-1", "eu-west-1").map((params): readonly [string, Call] => ["data_access", { params }]),
  ...["EU-WEST-1", "eu-west-1 ", ["eu-west-1"], { name: "eu-west-1" }, null, ""].map((region) =>
    ["data_access", { params: { region } }] as const
  ),
  ...names("export").map((method): readonly [string, Call] => ["data_access", { method, params: { limit: 1001 } }]),
  ...[...places("masked", false, true), { masked: "true" }, { masked: 1 }, { masked: [true] }, { Masked: true }]
    .map((params): readonly [string, Call] => ["data_access", { pii: true, config: { pii_allowed: true }, params }])
]

/** A deviation with harmless company: other fields around it, or the whole of it some levels down. */
export const disguised: Arbitrary.Arbitrary<readonly [string, Call]> = Arbitrary.map(
  Arbitrary.all({
    chosen: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: deviations.length - 1 }))),
    depth: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 }))),
    note: Arbitrary.schema(Schema.Json)
  }),
  ({ chosen, depth, note }) => {
    const [template, call] = deviations[chosen]!
    // what a permission stands in, and the text of a mail, count only where they are expected
    const mayMove = call.params !== undefined && !("masked" in call.params)
    let params = call.params ?? {}
    for (let level = mayMove ? depth : 0; level > 0; level--) params = { note, [`level${level}`]: [params, note] }
    return [template, { ...call, params: { ...params, memo: note } }]
  }
)
