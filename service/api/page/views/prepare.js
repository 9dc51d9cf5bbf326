// Preparing a dataset from a path on the server.

import { read, send } from "../data/api.js";
import { element } from "../parts/element.js";
import { Form } from "../parts/form.js";

const TYPES = {
  auto: "found out from what lies there",
  folder: "a folder of folders",
  ilsvrc: "ILSVRC as it is distributed",
  csv: "a CSV table",
  webdataset: "WebDataset shards",
  parquet: "Parquet tables",
};

const GROUPS = [
  {
    legend: "Where the photos are",
    fields: [
      { path: "name", label: "Name", kind: "text", required: true },
      {
        path: "source.path",
        label: "Path",
        kind: "text",
        required: true,
        hint: "On the server, from / on, or an s3:// or gs:// URL",
      },
      { path: "source.type", label: "Kind of source", kind: "choice", choices: TYPES },
      {
        path: "source.class_names",
        label: "Class names",
        kind: "text",
        hint: "A JSON file of class ids and their readable names",
      },
      {
        path: "val.path",
        label: "Path of the validation photos",
        kind: "text",
        hint: "Where the source has none of its own",
      },
      {
        path: "val_fraction",
        label: "Or the share of each class set aside",
        kind: "number",
        placeholder: "0.1",
      },
    ],
  },
  {
    legend: "How they are stored",
    folded: true,
    fields: [
      {
        path: "image_size",
        label: "Side in pixels",
        kind: "number",
        placeholder: "256",
        hint: "256 for alexnet, 72 for alexnet-tiny, 32 for cifar-4layer",
      },
      {
        path: "write_mode",
        label: "As",
        kind: "choice",
        choices: { jpg: "JPEG", raw: "pixels", proportion: "some of each" },
      },
      {
        path: "raw_fraction",
        label: "Share stored as pixels",
        kind: "number",
        hint: "Where some of each are stored; half of them without",
      },
      { path: "jpeg_quality", label: "JPEG quality", kind: "number", placeholder: "90" },
      {
        path: "chroma_subsampling",
        label: "Colours of the JPEGs",
        kind: "choice",
        choices: { "4:2:0": "at half the resolution", "4:4:4": "at full resolution" },
      },
      { path: "shard_size", label: "Photos in a shard", kind: "number", placeholder: "2048" },
      {
        path: "exif",
        label: "EXIF orientation",
        kind: "choice",
        choices: { ignore: "ignored", apply: "applied" },
      },
      { path: "max_pixels", label: "Pixels of a photo, at most", kind: "number", placeholder: "100000000" },
      { path: "seed", label: "Seed", kind: "number", placeholder: "0" },
      { path: "workers", label: "Shards written at a time", kind: "number" },
      {
        path: "max_quarantine",
        label: "Share of unusable photos, at most",
        kind: "number",
        placeholder: "0.01",
      },
    ],
  },
];

export class PrepareView {
  title = "Prepare a dataset";
  #form;
  #like;

  constructor({ query, signal }) {
    this.#like = query.get("like");
    this.#form = new Form(GROUPS, "Prepare", async (body) => {
      await send("POST", "datasets", body);
      if (!signal.aborted) location.hash = `#/datasets/${body.name}`;
    });
    this.element = element("section", {}, element("h1", { tabindex: "-1" }, this.title), this.#form.element);
  }

  async refresh() {
    if (!this.#like) return;
    this.#form.fill((await read(`datasets/${this.#like}`)).spec ?? {});
    this.#like = null;
  }
}
