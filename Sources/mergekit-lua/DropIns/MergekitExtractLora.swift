import ArgumentParser
import Logging

/// `mergekit-extract-lora --model M --base-model B --out-path OUT`: what the binary is under that name, in the place of
/// mergekit's own.
struct MergekitExtractLora: ParsableCommand {
  static let _errorLabel = "error"

  static let configuration = CommandConfiguration(
    commandName: "mergekit-extract-lora",
    abstract: "Extracts the adapter (LoRA) that makes one model of another, as PEFT reads it.",
    usage: "mergekit-extract-lora --model MODEL --base-model MODEL --out-path OUT [options]",
    discussion: """
      Embeddings, head, norms and biases that differ are saved as they are. An output that exists is written into, \
      unless it holds a model. This is mergekit-lua: see mergekit-lua extract-lora.
      """)

  @OptionGroup var extraction: ExtractionOptions

  @Option(
    help: ArgumentHelp("The directory to write; not needed with --dry-run.", valueName: "out"),
    completion: .directory)
  var outPath: String?

  @OptionGroup(title: "Merge options") var merge: MergeOptions

  @OptionGroup(title: "Compatibility options") var compatibility: CompatibilityOptions

  func validate() throws {
    guard outPath != nil || merge.dryRun else {
      throw ValidationError("Missing expected argument '--out-path <out>'")
    }
    _ = try compatibility.applied(to: merge.host)
  }

  func run() throws {
    let host = try compatibility.applied(to: merge.host)
    if let notice = compatibility.notice { host.log.logger.info("\(notice)") }
    try Extraction(
      options: extraction, out: merge.dryRun ? nil : outPath, host: host,
      output: merge.outputOptions(policy: .overlay)
    ).run()
  }
}
