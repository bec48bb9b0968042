// The official client, unmodified, through a small story; what it found goes to stdout as JSON.
import { APIErrorCode, Client, collectPaginatedAPI, isFullPage } from "@notionhq/client";

const notion = new Client({ auth: process.env.NOTION_TOKEN, baseUrl: process.env.URL, retry: false });
const page = await notion.pages.create({
  parent: { page_id: process.env.PAGE },
  properties: { title: { title: [{ text: { content: "From JavaScript" } }] } },
  icon: { emoji: "🌱" },
  children: [{ heading_1: { rich_text: [{ text: { content: "Plan" } }] } }],
});
const appended = await notion.blocks.children.append({
  block_id: page.id,
  children: Array.from({ length: 99 }, (_, n) => ({ bulleted_list_item: { rich_text: [{ text: { content: `${n}` } }] } })),
});
await notion.blocks.children.append({
  block_id: page.id,
  after: appended.results[0].id,
  children: [{ to_do: { rich_text: [{ text: { content: "between" } }], checked: true } }],
});
const blocks = await collectPaginatedAPI(notion.blocks.children.list, { block_id: page.id, page_size: 30 });
const database = await notion.databases.create({
  parent: { page_id: page.id },
  title: [{ text: { content: "Tasks" } }],
  initial_data_source: { properties: { Name: { title: {} }, Points: { number: {} }, Stage: { status: {} } } },
});
const source = database.data_sources[0].id;
for (const points of [3, 1, 2]) {
  await notion.pages.create({
    parent: { data_source_id: source },
    properties: { Name: { title: [{ text: { content: `Task ${points}` } }] }, Points: { number: points } },
  });
}
const query = await notion.dataSources.query({
  data_source_id: source,
  filter: { and: [{ property: "Points", number: { greater_than: 1 } }, { property: "Stage", status: { equals: "Not started" } }] },
  sorts: [{ property: "Points", direction: "ascending" }],
});
const comment = await notion.comments.create({ parent: { page_id: page.id }, rich_text: [{ text: { content: "Well?" } }] });
const upload = await notion.fileUploads.create({ mode: "single_part", filename: "a.txt", content_type: "text/plain" });
const sent = await notion.fileUploads.send({
  file_upload_id: upload.id,
  file: { filename: "a.txt", data: new Blob(["one\r\ntwo"], { type: "text/plain" }) },
});
await notion.blocks.children.append({
  block_id: page.id,
  children: [{ file: { type: "file_upload", file_upload: { id: upload.id } } }],
});
let refused;
try {
  await notion.pages.retrieve({ page_id: "00000000-0000-4000-8000-000000000000" });
} catch (error) {
  refused = error.code === APIErrorCode.ObjectNotFound && error.status;
}
const found = await notion.search({ query: "javascript", filter: { property: "object", value: "page" } });
console.log(
  JSON.stringify({
    page: page.id,
    full: isFullPage(await notion.pages.retrieve({ page_id: page.id })),
    texts: blocks.slice(0, 4).map((block) => block[block.type].rich_text[0].plain_text),
    count: blocks.length,
    points: query.results.map((row) => row.properties.Points.number),
    comment: comment.rich_text[0].plain_text,
    status: sent.status,
    refused,
    found: found.results.length,
    me: (await notion.users.me({})).type,
  }),
);
