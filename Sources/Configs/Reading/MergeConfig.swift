/// One document of a config, read: what a merge is made of, with the places of all.
struct MergeConfig: Sendable {
  /// Where the document begins.
  var place: Place
  var name: PlacedText?
  var method: PlacedText?
  var base: PlacedModel?
  var parts: Parts
  var partsPlace: Place
  var parameters: Scope
  var dtype: PlacedText?
  var outDType: PlacedText?
  var tokenizer: TokenizerConfig?
  var chatTemplate: PlacedText?

  /// What the output is made of.
  enum Parts: Sendable {
    case models([Source])
    case slices([Slice])
    case modules([Module])
  }

  struct PlacedText: Sendable {
    var text: String
    var place: Place
  }

  /// A model that goes into the merge, whole or in part.
  struct Source: Sendable {
    var model: PlacedModel
    var place: Place
    /// First layer and the one after the last.
    var layers: (range: Range<Int>, place: Place)?
    var parameters: Scope
  }

  struct Slice: Sendable {
    var place: Place
    var sources: [Source]
    var sourcesPlace: Place
    var base: PlacedModel?
    var method: PlacedText?
    var parameters: Scope
  }

  struct Module: Sendable {
    var name: String
    var place: Place
    /// Models or slices.
    var parts: Parts
    var partsPlace: Place
    var parameters: Scope
  }

  /// Every model that is named, the base first and the tokenizer's last, in order.
  var models: [PlacedModel] {
    var result = [base].compactMap(\.self)
    func add(_ parts: Parts) {
      switch parts {
      case .models(let sources): result += sources.map(\.model)
      case .slices(let slices):
        for slice in slices { result += [slice.base].compactMap(\.self) + slice.sources.map(\.model) }
      case .modules(let modules): for module in modules { add(module.parts) }
      }
    }
    add(parts)
    return result + (tokenizer?.models ?? [])
  }
}
