-- What pandoc's own writers lack: alternative texts in Typst, equations with the numbers that the
-- pages give them, and blocks with a look of their own, which are functions in `book.typ`.

local function quoted(text)
  return '"' .. text:gsub('[\\"]', '\\%0') .. '"'
end

local known = {
  system = true, note = true, question = true, folded = true, fold = true, picture = true,
  caption = true, output = true,
}

local function raw(text)
  return pandoc.RawBlock('typst', text)
end

local function within(opening, blocks, closing)
  blocks:insert(1, raw(opening))
  blocks:insert(raw(closing))
  return blocks
end

-- A bar is no relation: no space around it, and exponents beside it.
local function tall(bar)
  return 'class("normal", lr(' .. bar .. ', size: #%1))'
end

if FORMAT:match 'typst' then
  function Image(image)
    local call = '#image(' .. quoted(image.src)
    call = call .. ', alt: ' .. quoted(pandoc.utils.stringify(image.caption))
    if image.attributes.width then
      call = call .. ', width: ' .. image.attributes.width
    end
    return pandoc.RawInline('typst', call .. ')')
  end

  -- What a screen reader says of a formula is its TeX. Pandoc enlarges delimiters like pictures,
  -- which overlap, sets hidden parts as text, where a sign of equality begins a heading, and rounds
  -- small spaces to whole ems.
  function Math(formula)
    local typst = pandoc.write(pandoc.Pandoc { pandoc.Plain { formula } }, 'typst')
    typst = typst:gsub('#scale%(x: (%d+%%).-%)%[parallel%]', tall 'bar.v.double')
    typst = typst:gsub('#scale%(x: (%d+%%).-%)%[\\|%]', tall 'bar.v')
    typst = typst:gsub('#scale%(x: (%d+%%).-%)%[(\\.)%]', 'lr(%2, size: #%1)')
    typst = typst:gsub('parallel([_^])', 'class("normal", bar.v.double)%1')
    typst = typst:gsub('\\|', 'class("normal", bar.v)')
    typst = typst:gsub('#hide%[(.-)%]', '#hide($%1$)')
    typst = typst:gsub('#h%(0em%)', '#h(0.278em)'):gsub('#h%(%-1em%)', '#h(-0.167em)')
    local rule = '#[#set math.equation(alt: ' .. quoted(formula.text) .. '); '
    return pandoc.RawInline('typst', rule .. typst:gsub('%s+$', '') .. ']')
  end

  function Span(span)
    if span.classes:includes 'eqno' then
      return {}
    elseif span.identifier ~= '' then -- a label needs something that it stands beside
      local mark = '#metadata(none)<' .. span.identifier .. '>'
      span.content:insert(1, pandoc.RawInline('typst', mark))
      return span.content
    end
  end

  function Div(div)
    local label = div.identifier ~= '' and ' <' .. div.identifier .. '>' or ''
    if div.classes:includes 'newpage' then
      return raw '#pagebreak(weak: true)'
    elseif div.classes:includes 'equation' then
      local number = div.attributes.number
      local opening = number and '#numbered("' .. number .. '")[' or '#align(center)['
      return within(opening, div.content, ']' .. label)
    end
    for _, class in ipairs(div.classes) do
      if known[class] then
        return within('#' .. class .. '[', div.content, ']' .. label)
      end
    end
  end

  function CodeBlock(block)
    if block.classes:includes 'output' then
      return within('#output[', pandoc.Blocks { pandoc.CodeBlock(block.text) }, ']')
    end
  end
end
