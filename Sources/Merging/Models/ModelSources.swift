import Basics
import Tokenizers

/// What an output gets beside its weights and config.json.
package struct Companions {
  /// Where tokenizer and other files come from.
  package var files: any ModelFiles
  /// What messages call the model that these files come from.
  package var label: String
  /// The tokenizer that takes the place of the one among these files, if one does.
  package var tokenizer: TokenizerFiles?
  /// The Jinja text that takes the place of the chat template in these files, if one does.
  package var newChatTemplate: String?
  /// What has become of the token ids in these files, in this order.
  package var tokenIDs: [TokenIDs] = []

  package init(
    files: any ModelFiles, label: String, tokenizer: TokenizerFiles? = nil, newChatTemplate: String? = nil
  ) {
    self.files = files
    self.label = label
    self.tokenizer = tokenizer
    self.newChatTemplate = newChatTemplate
  }

  /// The Jinja text by which the tokenizer writes conversations, if it has one.
  package var chatTemplate: String? {
    newChatTemplate ?? ChatTemplate.read(in: tokenizer?.files ?? files)
  }

  /// The file that says how text is generated, if its token ids are not as in these files, and a sentence for each that
  /// could not be kept.
  package func changedGenerationConfig() throws -> (name: String, json: JSON, warnings: [String])? {
    let name = "generation_config.json"
    guard !tokenIDs.isEmpty, let old = try files.optionalJSON(name) else { return nil }
    var json = old
    var warnings: [String] = []
    for ids in tokenIDs {
      let (mapped, own) = ids.mapped(json, of: name)
      json = mapped
      warnings += own
    }
    return json == old ? nil : (name, json, warnings)
  }
}

/// What a model was made of, for the model card.
package struct ModelProvenance {
  /// The checkpoints that it is made of.
  package var checkpoints: [CheckpointModel]
  /// The methods that made it, in the order of their use.
  package var methods: [ModelCard.Method]
  /// The checkpoint whose differences to the others were merged.
  package var base: CheckpointModel?
  /// The checkpoint that it is, if nothing has been done to it.
  package var original: CheckpointModel?

  package init(
    checkpoints: [CheckpointModel], methods: [ModelCard.Method] = [], base: CheckpointModel? = nil,
    original: CheckpointModel? = nil
  ) {
    self.checkpoints = checkpoints
    self.methods = methods
    self.base = base
    self.original = original
  }
}
