//! The attribute of the crate `stairwell`; use it through that one.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Error, Expr, FnArg, Ident, ItemFn, LitStr, Token, Type, parenthesized, parse_macro_input};

/// Gives a test a database of its own with the migrations applied.
///
/// The function takes a `TestDatabase` or a `&TestDatabase`, may be async, and may return a `Result`; its database is kept if that is an error.
///
/// | argument | meaning |
/// |---|---|
/// | `migrations = EXPRESSION` | what is taken for migrations: `&crate::MIGRATIONS` without it |
/// | `at = "20261006"` | the migration that is the newest one applied |
/// | `fixtures("users.sql", …)` | files with statements to run then, as seen from this source file |
///
/// Async tests run on a runtime of one thread. Where it has to be another, write `#[tokio::test(…)]` and call
/// `TestDatabase::new_async`.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as Arguments);
    let function = parse_macro_input!(item as ItemFn);
    expand(&arguments, &function).unwrap_or_else(Error::into_compile_error).into()
}

#[derive(Default)]
struct Arguments {
    migrations: Option<Expr>,
    at: Option<Expr>,
    fixtures: Vec<LitStr>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self::default();
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            match name.to_string().as_str() {
                "migrations" => {
                    input.parse::<Token![=]>()?;
                    arguments.migrations = Some(input.parse()?);
                }
                "at" => {
                    input.parse::<Token![=]>()?;
                    arguments.at = Some(input.parse()?);
                }
                "fixtures" => {
                    let files;
                    parenthesized!(files in input);
                    let files = Punctuated::<LitStr, Token![,]>::parse_terminated(&files)?;
                    arguments.fixtures.extend(files);
                }
                _ => {
                    return Err(Error::new(
                        name.span(),
                        "expected `migrations = …`, `at = \"…\"` or `fixtures(\"…\")`",
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    }
}

fn expand(arguments: &Arguments, function: &ItemFn) -> syn::Result<Tokens> {
    let signature = &function.sig;
    let wrong = "a test takes one argument, its database: `db: TestDatabase` or `db: &TestDatabase`";
    let mut inputs = signature.inputs.iter();
    let (Some(FnArg::Typed(input)), None) = (inputs.next(), inputs.next()) else {
        return Err(Error::new(
            signature.inputs.span().join(signature.ident.span()).unwrap_or(signature.ident.span()),
            wrong,
        ));
    };
    if let Some(test) = function.attrs.iter().find(|attribute| attribute.path().is_ident("test")) {
        return Err(Error::new(test.span(), "`#[stairwell::test]` makes it a test; remove this one"));
    }
    let lent = matches!(*input.ty, Type::Reference(_)).then(|| quote!(&));
    let (attributes, visibility, name, result, body) =
        (&function.attrs, &function.vis, &signature.ident, &signature.output, &function.block);
    let migrations =
        arguments.migrations.as_ref().map_or_else(|| quote!(&crate::MIGRATIONS), ToTokens::to_token_stream);
    let at = arguments.at.as_ref().map(|at| quote!(.at(#at)));
    let fixtures = arguments.fixtures.iter().map(|file| quote!(.fixture(#file, ::core::include_str!(#file))));
    let builder = quote!(::stairwell::testing::TestDatabase::builder(#migrations) #at #(#fixtures)*);
    let run = if signature.asyncness.is_some() {
        quote! {
            async fn inner(#input) #result #body
            ::stairwell::testing::run_async(#builder, async move |database| inner(#lent database).await)
        }
    } else {
        quote! {
            fn inner(#input) #result #body
            ::stairwell::testing::run(#builder, |database| inner(#lent database))
        }
    };
    Ok(quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        #visibility fn #name() #result {
            #run
        }
    })
}
